/*
 * draw: the timeline and the overview above it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/* Colours: eight that are told apart with any eyes, and five patterns. */

const COLOURS = ['#56b4e9', '#e69f00', '#009e73', '#cc79a7', '#0072b2',
                 '#f0e442', '#d55e00', '#a9a9d6'];
const PATTERNS = 5;
const byTime = report.processes.filter((p) => p.process !== 0);
/* The busiest eight are coloured, the rest are grey: a picture, no confetti. */
const look = new Map(byTime.map((p, i) => [p.process, i < COLOURS.length
    ? { colour: COLOURS[i], pattern: i % PATTERNS }
    : { colour: '#8b949e', pattern: 0 }]));
/* Of time in which the host gave a vCPU no CPU. */
const HOST_COLOUR = '#c1121f';
/* Of user mode, the kernel, DPCs, interrupts, idle; as TICKS. */
const TICK_COLOURS = ['#56b4e9', '#0072b2', '#e69f00', '#d55e00', '#8b949e44'];
const NO_LOOK = { colour: '#8b949e', pattern: 0 };

function drawPattern(context, size, pattern) {
    context.strokeStyle = context.fillStyle = 'rgb(0 0 0 / 38%)';
    context.lineWidth = 1.4;
    context.beginPath();
    if (pattern === 1 || pattern === 3) {
        for (const x of [-size, 0, size]) {
            context.moveTo(x, size);
            context.lineTo(x + size, 0);
        }
    }
    if (pattern === 3) {
        for (const x of [-size, 0, size]) {
            context.moveTo(x, 0);
            context.lineTo(x + size, size);
        }
    }
    if (pattern === 2) {
        context.rect(1, 1, 2, 2);
        context.rect(size / 2 + 1, size / 2 + 1, 2, 2);
        context.fill();
        return;
    }
    if (pattern === 4) {
        context.moveTo(0, size / 2);
        context.lineTo(size, size / 2);
    }
    context.stroke();
}

const fills = new Map();

function fillFor(process, context) {
    const { colour, pattern } = look.get(process) || NO_LOOK;
    const key = `${colour} ${pattern}`;
    if (!fills.has(key)) {
        const size = 8;
        const tile = document.createElement('canvas');
        tile.width = tile.height = size;
        const c = tile.getContext('2d');
        c.fillStyle = colour;
        c.fillRect(0, 0, size, size);
        drawPattern(c, size, pattern);
        fills.set(key, context.createPattern(tile, 'repeat'));
    }
    return fills.get(key);
}

/* State. */

const state = {
    from: 0, to: duration,      /* what is in view, nanoseconds */
    search: '',
    matched: null,              /* set of thread indices; null: no search */
    matchedLines: null,
    picked: null,               /* process picked out in the legend */
    chosen: null,               /* { lane, index } that was clicked */
    selected: null,             /* { from, to } that was dragged over */
    scope: 'all',               /* of the tables: 'all' or 'view' */
    hover: null,                /* x of the pointer */
    drag: null,
    draws: 0,
};

const MIN_SPAN = 100;
let LABEL = 190;                /* width of the lanes' names */
const RULER = 26;
const CPU_HEIGHT = 28;
const TICKS_HEIGHT = 16;        /* below the lane of a vCPU that has any */
const LINE_HEIGHT = 20;

function clampView(from, span) {
    span = Math.min(Math.max(span, MIN_SPAN), duration);
    from = Math.min(Math.max(from, 0), duration - span);
    state.from = from;
    state.to = from + span;
    viewChanged();
    requestDraw();
}

const span = () => state.to - state.from;
const plotWidth = () => Math.max(1, canvas.clientWidth - LABEL);
const timeAt = (x) => state.from + (x - LABEL) / plotWidth() * span();
const xAt = (time) => LABEL + (time - state.from) / span() * plotWidth();

function zoom(factor, at) {
    const time = at === undefined ? (state.from + state.to) / 2 : at;
    const next = Math.min(Math.max(span() * factor, MIN_SPAN), duration);
    clampView(time - (time - state.from) / span() * next, next);
}

/* Figures for people. */

function formatNs(ns) {
    for (const [unit, size] of [['s', 1e9], ['ms', 1e6], ['\u00b5s', 1e3]]) {
        if (ns >= size * 0.9995) {
            const value = ns / size;
            return `${value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1
                                                                        : 2)} ${unit}`;
        }
    }
    return `${Math.round(ns)} ns`;
}

const formatTime = (ns) => `${(ns / 1e9).toFixed(span() < 1e5 ? 9 : 6)} s`;
const formatCount = (n) => n.toLocaleString('en');
const formatShare = (part, whole) =>
    whole ? `${(100 * part / whole).toFixed(2)} %` : '-';

/* Finding. */

/* The first i with array[i] >= value, from lo on. */
function lowerBound(array, value, lo, hi) {
    while (lo < hi) {
        const mid = (lo + hi) >>> 1;
        if (array[mid] < value) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* The run at a time; -1: none has begun. */
const runAt = (lane, time) =>
    lowerBound(lane.start, time + 1e-6, 0, lane.n) - 1;
const runEnd = (lane, i) => i + 1 < lane.n ? lane.start[i + 1] : duration;

function busyBefore(lane, time) {
    const i = runAt(lane, time);
    if (i < 0) {
        return 0;
    }
    const share = lane.busy[i + 1] - lane.busy[i];
    return lane.busy[i] + (share > 0 ? time - lane.start[i] : 0);
}

/* Drawing. */

const canvas = $('timeline');
const context = canvas.getContext('2d');
const overview = $('overview');
let colours = {};
let drawRequested = false;

function requestDraw() {
    if (!drawRequested) {
        drawRequested = true;
        requestAnimationFrame(draw);
    }
}

function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['card', 'text', 'soft', 'edge', 'accent', 'page']) {
        colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
}

function sizeCanvas(element, height) {
    const ratio = window.devicePixelRatio || 1;
    const width = element.clientWidth;
    if (element.width !== Math.round(width * ratio) ||
        element.height !== Math.round(height * ratio)) {
        element.width = Math.round(width * ratio);
        element.height = Math.round(height * ratio);
        element.style.height = `${height}px`;
    }
    const c = element.getContext('2d');
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    return c;
}

function layOut() {
    let y = RULER;
    for (const lane of lanes) {
        lane.y = y;
        lane.height = lane.kind === 'cpu' ? CPU_HEIGHT : LINE_HEIGHT;
        y += lane.height + (lane.ticks ? TICKS_HEIGHT : 0);
    }
    return y + 4;
}

function niceStep(raw) {
    const power = 10 ** Math.floor(Math.log10(raw));
    for (const factor of [1, 2, 5, 10]) {
        if (factor * power >= raw) {
            return factor * power;
        }
    }
    return 10 * power;
}

function drawRuler(height) {
    const step = niceStep(span() / (plotWidth() / 110));
    const digits = Math.min(9, Math.max(0, -Math.floor(Math.log10(step / 1e9))));
    context.font = '11px system-ui, sans-serif';
    context.textBaseline = 'middle';
    context.textAlign = 'left';
    for (let t = Math.ceil(state.from / step) * step; t <= state.to; t += step) {
        const x = Math.round(xAt(t)) + 0.5;
        context.strokeStyle = colours.edge;
        context.beginPath();
        context.moveTo(x, 4);
        context.lineTo(x, height);
        context.stroke();
        context.fillStyle = colours.soft;
        context.fillText(`${(t / 1e9).toFixed(digits)} s`, x + 4, RULER / 2);
    }
}

const isDimmed = (index) => {
    const thread = threads.get(index);
    if (state.matched && !state.matched.has(index)) {
        return true;
    }
    return state.picked !== null &&
           !(thread && !thread.idle && thread.process === state.picked);
};

/* Flags of a switch, as report-html.c packs them. */
const originOf = (flags) => flags & 3;
const missedOf = (flags) => (flags >>> 2) & 1;
const oldStateOf = (flags) => ((flags >>> 3) & 15) - 1;
const oldReasonOf = (flags) => (flags >>> 7) - 1;
/* -1: not known */
const priorityOf = (lane, i) => (lane.priorities[i] & 63) - 1;
const oldPriorityOf = (lane, i) => (lane.priorities[i] >>> 6) - 1;

/* Others ran in between, unseen. */
const isUncertain = (lane, i) => i + 1 < lane.n && missedOf(lane.flags[i + 1]) === 1;

function fillRun(x, y, width, height, index, pale) {
    const thread = threads.get(index);
    context.globalAlpha = isDimmed(index) ? 0.16 : pale ? 0.5 : 1;
    context.fillStyle = fillFor(thread ? thread.process : -1, context);
    context.fillRect(x, y, width, height);
    context.globalAlpha = 1;
}

function luminance(colour) {
    const n = parseInt(colour.slice(1), 16);
    return (0.299 * (n >> 16) + 0.587 * (n >> 8 & 255) + 0.114 * (n & 255)) / 255;
}

function drawRunLabel(x, y, width, height, thread, pale) {
    const left = Math.max(x, LABEL);
    const room = Math.min(x + width, canvas.clientWidth) - left - 8;
    if (room < 24) {
        return;
    }
    const { colour, pattern } = look.get(thread.process) || NO_LOOK;
    let text = threadLabel(thread);
    let textWidth = context.measureText(text).width;
    if (textWidth > room) {
        const fits = Math.floor(text.length * room / textWidth) - 1;
        if (fits < 2) {
            return;
        }
        text = `${[...text].slice(0, fits).join('')}\u2026`;
        textWidth = context.measureText(text).width;
    }
    if (pattern) {
        context.fillStyle = colour;
        context.globalAlpha = pale ? 0.5 : 1;
        context.fillRect(left + 2, y + 4, Math.min(textWidth + 4, room + 4), height - 8);
        context.globalAlpha = 1;
    }
    context.fillStyle = pale ? colours.text : luminance(colour) > 0.45 ? '#10141a' : '#ffffff';
    context.fillText(text, left + 4, y + height / 2 + 0.5);
}

/* Nobody is known to have run: not the same as idle. */
function drawUnknown(x, y, width, height) {
    context.save();
    context.beginPath();
    context.rect(x, y, width, height);
    context.clip();
    context.strokeStyle = colours.edge;
    context.beginPath();
    for (let at = x - x % 6 - height; at < x + width; at += 6) {
        context.moveTo(at, y + height);
        context.lineTo(at + height, y);
    }
    context.stroke();
    context.restore();
}

function drawOneRun(lane, i, x0, x1) {
    const index = lane.thread[i];
    const thread = threads.get(index);
    const y = lane.y + 3;
    const height = lane.height - 6;
    if (index === 0 || !thread) {
        drawUnknown(x0, y, x1 - x0, height);
    } else if (thread.idle) {
        context.fillStyle = colours.edge;
        context.fillRect(x0, y + height - 2, x1 - x0, 2);
    } else {
        fillRun(x0, y, Math.max(1, x1 - x0 - (x1 - x0 > 3 ? 0.6 : 0)), height, index,
                isUncertain(lane, i));
        if (x1 - x0 > 34 && !isDimmed(index)) {
            drawRunLabel(x0, y, x1 - x0, height, thread, isUncertain(lane, i));
        }
    }
}

/* Who ran most among runs first to last; looks at sixteen of them at most. */
function mainThread(lane, first, last) {
    const step = Math.max(1, Math.floor((last - first + 1) / 16));
    let best = 0;
    let most = -1;
    for (let i = first; i <= last; i += step) {
        const index = lane.thread[i];
        const time = runEnd(lane, i) - lane.start[i];
        const rank = isBusy(index) ? time + (isDimmed(index) ? 0 : 1e12) : -1;
        if (rank > most) {
            most = rank;
            best = index;
        }
    }
    return most >= 0 ? best : 0;
}

/* Many runs in one column of pixels: how much of it was busy, and by whom. */
function drawColumn(lane, x, first, last) {
    const from = timeAt(x);
    const to = timeAt(x + 2);
    const share = Math.min(1, (busyBefore(lane, to) - busyBefore(lane, from)) / (to - from));
    const height = lane.height - 6;
    if (share <= 0) {
        return;
    }
    const tall = Math.max(2, share * height);
    fillRun(x, lane.y + 3 + height - tall, 2, tall, mainThread(lane, first, last));
}

function drawCpu(lane) {
    const right = LABEL + plotWidth();
    let i = Math.max(0, runAt(lane, state.from));
    if (lane.n === 0 || lane.start[0] > state.from) {
        drawUnknown(LABEL, lane.y + 3,
                    Math.min(right, lane.n ? xAt(lane.start[0]) : right) - LABEL,
                    lane.height - 6);
    }
    while (i < lane.n && lane.start[i] < state.to) {
        const x0 = Math.max(LABEL, xAt(lane.start[i]));
        const x1 = Math.min(right, xAt(runEnd(lane, i)));
        if (x1 - x0 >= 1.5) {
            drawOneRun(lane, i, x0, x1);
            i++;
            continue;
        }
        /* Two pixels wide: what is thinner only flickers. */
        const column = LABEL + Math.floor((x0 - LABEL) / 2) * 2;
        const next = lowerBound(lane.start, timeAt(column + 2), i + 1, lane.n);
        drawColumn(lane, column, i, Math.min(next, lane.n - 1));
        /* The last one that begins here may reach far to the right. */
        i = next - 1 > i && xAt(runEnd(lane, next - 1)) - xAt(lane.start[next - 1]) >= 1.5
            ? next - 1 : next;
    }
}

/* How long a vCPU had waited for a CPU of the host, up to a time. */
function waitedBefore(host, time) {
    const i = lowerBound(host.start, time, 0, host.n) - 1;
    if (i < 0) {
        return 0;
    }
    const length = host.end[i] - host.start[i];
    const part = length > 0 ? Math.min(1, (time - host.start[i]) / length) : 1;
    return host.waited[i] + part * host.wait[i];
}

/* From the top down, the part of each column in which the vCPU had no CPU. */
function drawHost(lane) {
    const host = lane.host;
    const height = lane.height - 6;
    const right = LABEL + plotWidth();
    let before = waitedBefore(host, timeAt(LABEL));
    context.fillStyle = HOST_COLOUR;
    for (let x = LABEL; x < right; x++) {
        const after = waitedBefore(host, timeAt(x + 1));
        const share = Math.min(1, (after - before) / (timeAt(x + 1) - timeAt(x)));
        before = after;
        if (share > 0.01) {
            context.fillRect(x, lane.y + 3, 1, Math.max(1.5, share * height));
        }
    }
}

/*
 * Below the lane, a column a span: its ticks from the bottom up, and on top what
 * the host took away, which Windows knows nothing of.
 */
function drawTicks(lane) {
    const ticks = lane.ticks;
    const top = lane.y + lane.height + 1;
    const height = TICKS_HEIGHT - 3;
    for (let i = lowerBound(ticks.end, state.from, 0, ticks.n);
         i < ticks.n && ticks.start[i] < state.to; i++) {
        const x0 = xAt(ticks.start[i]);
        const width = Math.max(1, xAt(ticks.end[i]) - x0);
        const length = Math.max(1, ticks.end[i] - ticks.start[i]);
        const waited = lane.host ? Math.min(1, (waitedBefore(lane.host, ticks.end[i]) -
            waitedBefore(lane.host, ticks.start[i])) / length) : 0;
        const sum = ticks.counts.reduce((all, counts) => all + counts[i], 0) || 1;
        let y = top + height;
        ticks.counts.forEach((counts, k) => {
            const tall = counts[i] / sum * (1 - waited) * height;
            context.fillStyle = TICK_COLOURS[k];
            context.fillRect(x0, y - tall, width, tall);
            y -= tall;
        });
        context.fillStyle = HOST_COLOUR;
        context.fillRect(x0, top, width, waited * height);
    }
}

function drawTicksLabel(lane) {
    const y = lane.y + lane.height;
    context.fillStyle = colours.card;
    context.fillRect(0, y, LABEL - 1, TICKS_HEIGHT);
    context.fillStyle = colours.soft;
    context.font = '10px system-ui, sans-serif';
    context.fillText(LABEL < 190 ? 'ticks' : "by Windows' ticks", 8, y + TICKS_HEIGHT / 2);
}

function drawLine(lane) {
    const dim = state.matchedLines && !state.matchedLines.has(lane.id);
    const height = lane.height - 4;
    let i = lowerBound(lane.start, state.from, 0, lane.n);
    while (i < lane.n && lane.start[i] <= state.to) {
        const column = Math.floor(xAt(lane.start[i]));
        const next = Math.max(i + 1, lowerBound(lane.start, timeAt(column + 1), i, lane.n));
        const alone = next === i + 1;
        const low = alone && lane.level[i] === 0;
        const tall = low ? height * 0.35
                         : Math.min(1, 0.55 + Math.log10(next - i) * 0.2) * height;
        const dense = alone ? 1 : Math.min(1, 0.45 + Math.log10(next - i) * 0.14);
        context.globalAlpha = dim ? 0.2 : dense;
        context.fillStyle = low ? colours.soft : colours.accent;
        context.fillRect(column, lane.y + 2 + height - tall, alone ? 1.5 : 1, tall);
        i = next;
    }
    context.globalAlpha = 1;
}

function drawLaneLabel(lane) {
    context.fillStyle = colours.card;
    context.fillRect(0, lane.y, LABEL - 1, lane.height);
    context.fillStyle = lane.kind === 'cpu' ? colours.text : colours.soft;
    context.font = lane.kind === 'cpu' ? '600 12px system-ui, sans-serif'
                                       : '11px system-ui, sans-serif';
    let text = lane.label;
    while (text.length > 3 && context.measureText(text).width > LABEL - 14) {
        text = `${text.replace(/\u2026$/, '').slice(0, -1)}\u2026`;
    }
    context.fillText(text, 8, lane.y + lane.height / 2 + 0.5);
    context.strokeStyle = colours.edge;
    context.globalAlpha = 0.6;
    context.strokeRect(-1, lane.y + lane.height - 0.5, canvas.clientWidth + 2, 0.001);
    context.globalAlpha = 1;
}

function drawChosen() {
    if (!state.chosen) {
        return;
    }
    const { lane, index } = state.chosen;
    const x0 = Math.max(LABEL, xAt(lane.start[index]));
    const x1 = Math.min(canvas.clientWidth,
                        lane.kind === 'cpu' ? xAt(runEnd(lane, index)) : x0 + 2);
    if (x1 < LABEL || x0 > canvas.clientWidth) {
        return;
    }
    context.strokeStyle = colours.text;
    context.lineWidth = 2;
    context.strokeRect(x0 - 1, lane.y + 2, Math.max(3, x1 - x0) + 2, lane.height - 4);
    context.lineWidth = 1;
}

function drawPointer(height) {
    if (state.selected) {
        const a = Math.max(LABEL, xAt(state.selected.from));
        const b = xAt(state.selected.to);
        context.globalAlpha = 0.18;
        context.fillStyle = colours.accent;
        context.fillRect(a, 0, Math.max(0, b - a), height);
        context.globalAlpha = 1;
    }
    if (state.drag && state.drag.select) {
        const a = Math.max(LABEL, Math.min(state.drag.x, state.drag.now));
        const b = Math.max(state.drag.x, state.drag.now);
        context.globalAlpha = 0.25;
        context.fillStyle = colours.accent;
        context.fillRect(a, 0, b - a, height);
        context.globalAlpha = 1;
    } else if (state.hover !== null && state.hover >= LABEL) {
        context.strokeStyle = colours.soft;
        context.globalAlpha = 0.7;
        context.setLineDash([3, 3]);
        context.beginPath();
        context.moveTo(state.hover + 0.5, 0);
        context.lineTo(state.hover + 0.5, height);
        context.stroke();
        context.setLineDash([]);
        context.globalAlpha = 1;
    }
}

function draw() {
    drawRequested = false;
    const height = layOut();
    LABEL = canvas.clientWidth < 560 ? 96 : 190;
    sizeCanvas(canvas, height);
    context.clearRect(0, 0, canvas.clientWidth, height);
    drawRuler(height);
    context.font = '11.5px system-ui, sans-serif';
    context.save();
    context.beginPath();
    context.rect(LABEL, RULER, plotWidth(), height);
    context.clip();
    for (const lane of lanes) {
        (lane.kind === 'cpu' ? drawCpu : drawLine)(lane);
        if (lane.host) {
            drawHost(lane);
        }
        if (lane.ticks) {
            drawTicks(lane);
        }
    }
    drawChosen();
    context.restore();
    lanes.forEach(drawLaneLabel);
    lanes.filter((lane) => lane.ticks).forEach(drawTicksLabel);
    drawPointer(height);
    drawOverview();
    $('position').textContent = `${formatTime(state.from)} + ${formatNs(span())}`;
    state.draws++;
}

/* How busy all vCPUs were, over the whole recording. */
let overviewShares = [];

function overviewShare(width) {
    if (overviewShares.length !== width) {
        const cpus = lanes.filter((lane) => lane.kind === 'cpu');
        overviewShares = Array.from({ length: width }, (_, x) => {
            const from = x / width * duration;
            const to = (x + 1) / width * duration;
            let busy = 0;
            for (const lane of cpus) {
                busy += busyBefore(lane, to) - busyBefore(lane, from);
            }
            return cpus.length ? Math.min(1, busy / (to - from) / cpus.length) : 0;
        });
    }
    return overviewShares;
}

function drawOverview() {
    const height = 34;
    const c = sizeCanvas(overview, height);
    const width = overview.clientWidth - LABEL;
    c.clearRect(0, 0, overview.clientWidth, height);
    c.fillStyle = colours.soft;
    c.font = '11px system-ui, sans-serif';
    c.textBaseline = 'middle';
    c.fillText(LABEL < 190 ? 'busy' : 'all vCPUs, busy', 8, height / 2);
    c.globalAlpha = 0.55;
    overviewShare(Math.max(1, width)).forEach((share, x) =>
        c.fillRect(LABEL + x, height - share * (height - 6), 1, share * (height - 6)));
    c.globalAlpha = 0.22;
    c.fillStyle = colours.accent;
    const x0 = LABEL + state.from / duration * width;
    const x1 = Math.max(x0 + 2, LABEL + state.to / duration * width);
    c.fillRect(x0, 0, x1 - x0, height);
    c.globalAlpha = 1;
    c.strokeStyle = colours.accent;
    c.strokeRect(x0 + 0.5, 0.5, Math.max(1, x1 - x0 - 1), height - 1);
}
