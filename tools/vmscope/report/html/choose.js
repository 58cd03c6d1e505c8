/*
 * choose: what is under the pointer, what was clicked, search and legend.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/* What is under the pointer. */

function laneAt(y) {
    return lanes.find((lane) => y >= lane.y && y < lane.y + lane.height);
}

function hit(x, y) {
    const lane = laneAt(y);
    if (!lane || x < LABEL || !lane.n) {
        return null;
    }
    const time = timeAt(x);
    if (lane.kind === 'cpu') {
        const index = runAt(lane, time);
        return index < 0 ? null : { lane, index };
    }
    const near = lowerBound(lane.start, time, 0, lane.n);
    const options = [near - 1, near].filter((i) => i >= 0 && i < lane.n);
    options.sort((a, b) => Math.abs(lane.start[a] - time) - Math.abs(lane.start[b] - time));
    const index = options[0];
    return Math.abs(xAt(lane.start[index]) - x) <= 6 ? { lane, index } : null;
}

const STATES = ['Initialized', 'Ready', 'Running', 'Standby', 'Terminated',
                'Waiting', 'Transition', 'DeferredReady', 'GateWait'];
const ORIGINS = ['an exit', 'a poll', 'the switch itself'];
const reasonNames = new Map(report['reason-names'].map((r) => [r.reason, r.name]));

/* 1, 3, 7: Ready, Standby, DeferredReady: it could have gone on. */
const RUNNABLE = new Set([1, 3, 7]);
const QUANTUM_END = 30;

const runLabel = (lane, index) => {
    const thread = threads.get(lane.thread[index]);
    const priority = priorityOf(lane, index);
    return threadLabel(thread) +
        (priority < 0 || !thread || thread.idle ? '' : ` (priority ${priority})`);
};

/* Why a run ended, up to who ran next. */
function endReason(lane, index) {
    const flags = lane.flags[index + 1];
    const reason = oldReasonOf(flags);
    const old = oldStateOf(flags);
    if (missedOf(flags)) {
        return 'others ran in between, unseen; then';
    }
    const thread = threads.get(lane.thread[index]);
    if (thread && thread.idle) {
        return 'then';      /* its State tells nothing of who left */
    }
    if (RUNNABLE.has(old) && reason === QUANTUM_END) {
        return 'its time slice ended; then';
    }
    if (RUNNABLE.has(old)) {
        return 'preempted by';
    }
    const name = STATES[old];
    const why = reason >= 0 ? ` for ${reasonNames.get(reason) || `reason ${reason}`}` : '';
    return name === 'Waiting' ? `waited${why}; then` : name ? `${name.toLowerCase()}; then` : 'then';
}

const isLast = (lane, index) => index + 1 >= lane.n || lane.thread[index + 1] === 0;

const describeEnd = (lane, index) => isLast(lane, index)
    ? 'until the end of what is known'
    : `${endReason(lane, index)} ${runLabel(lane, index + 1)}`;

/* By its spans, so of a short run only roughly. */
function describeHost(host, from, to) {
    const waited = waitedBefore(host, to) - waitedBefore(host, from);
    return waited < 1000 ? ''
        : `its vCPU had no CPU of the host for about ${formatNs(waited)} of it`;
}

function describeRun(lane, index) {
    const thread = threads.get(lane.thread[index]);
    const from = lane.start[index];
    const to = runEnd(lane, index);
    const rows = [threadLabel(thread)];
    if (thread && !thread.idle) {
        const ids = [];
        if ('pid' in thread) {
            ids.push(`pid ${thread.pid}, tid ${thread.tid}`);
        }
        rows.push(ids.join(', '));
    }
    rows.push(`${lane.label}, at ${formatTime(from)} for ${formatNs(to - from)}`);
    if (lane.thread[index] !== 0) {
        rows.push(`seen at ${ORIGINS[originOf(lane.flags[index])] || '?'}; ` +
                  describeEnd(lane, index));
    }
    if (lane.host) {
        rows.push(describeHost(lane.host, from, to));
    }
    return rows.filter((row) => row).join('\n');
}

const whoRaised = (lane, index) =>
    `${hostThreads.get(lane.tid[index]) || `host thread ${lane.tid[index]}`}, ` +
    `from ${callerNames.get(lane.caller[index]) ||
            `0x${lane.caller[index].toString(16)}`}`;

function describeIrq(lane, index) {
    const line = lane.line || {};
    const rows = [lineLabel(lane.line),
                  `${line.kind || ''}, level ${lane.level[index]} at ${formatTime(lane.start[index])}`,
                  `raised by ${whoRaised(lane, index)}`];
    if (line.path) {
        rows.push(`path ${line.path}`);
    }
    if (line['driven-by']) {
        rows.push(`driven by ${line['driven-by']}`);
    }
    const here = timeAt(xAt(lane.start[index]) + 1);
    const more = lowerBound(lane.start, here, index, lane.n) - index - 1;
    if (more > 0) {
        rows.push(`and ${formatCount(more)} more within this pixel`);
    }
    return rows.join('\n');
}

const describe = (found) => found.lane.kind === 'cpu'
    ? describeRun(found.lane, found.index) : describeIrq(found.lane, found.index);

const tooltip = $('tooltip');

function showTooltip(x, y) {
    const found = state.drag ? null : hit(x, y);
    tooltip.hidden = !found;
    if (!found) {
        return;
    }
    tooltip.textContent = describe(found);
    const box = $('lanes');
    const left = Math.min(x + 14, box.clientWidth - tooltip.offsetWidth - 6);
    const below = y + 18 + tooltip.offsetHeight < box.scrollTop + box.clientHeight;
    tooltip.style.left = `${Math.max(4, left)}px`;
    tooltip.style.top = `${below ? y + 18 : Math.max(box.scrollTop + 2, y - tooltip.offsetHeight - 10)}px`;
}

/* Choosing. */

function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) {
        made.textContent = text;
    }
    if (className) {
        made.className = className;
    }
    return made;
}

const wallNs = report['busy-ns'] + report['idle-ns'] + report['unknown-ns'];

/* The newest interrupt that a device raised at or before a time. */
function lastInterrupt(time) {
    let best = null;
    for (const lane of lanes) {
        if (lane.kind === 'cpu') {
            continue;
        }
        let i = lowerBound(lane.start, time + 1e-6, 0, lane.n) - 1;
        for (let tries = 0; tries < 256 && i >= 0 && (lane.depth[i] || !lane.level[i]); tries++) {
            i--;
        }
        if (i >= 0 && !lane.depth[i] && lane.level[i] &&
            (!best || lane.start[i] > best.lane.start[best.index])) {
            best = { lane, index: i };
        }
    }
    return best;
}

/* The first run of a thread that begins at or behind a time. */
function nextRun(time) {
    let best = null;
    for (const lane of lanes) {
        if (lane.kind !== 'cpu') {
            continue;
        }
        let i = lowerBound(lane.start, time, 0, lane.n);
        while (i < lane.n && !isBusy(lane.thread[i])) {
            i++;
        }
        if (i < lane.n && (!best || lane.start[i] < best.lane.start[best.index])) {
            best = { lane, index: i };
        }
    }
    return best;
}

function link(text, found) {
    const button = element('button', text, 'link');
    button.type = 'button';
    button.addEventListener('click', () => goTo(found));
    return button;
}

const row = (name, ...parts) => {
    const line = element('div');
    line.append(element('span', name, 'name'), ' ', ...parts);
    return line;
};

function detailOfRun(lane, index) {
    const thread = threads.get(lane.thread[index]);
    const from = lane.start[index];
    const rows = [];
    if (index > 0 && lane.thread[index - 1]) {
        rows.push(row('before', link(`\u2190 ${runLabel(lane, index - 1)}`, { lane, index: index - 1 }),
                      `, ${endReason(lane, index - 1).replace(/(;| by)? ?(then)?$/, '')}`
                          .replace(/, $/, '')));
    } else {
        rows.push(row('before', 'not known'));
    }
    rows.push(isLast(lane, index) ? row('ended', describeEnd(lane, index))
        : row('ended', `${endReason(lane, index)} `,
              link(`${runLabel(lane, index + 1)} \u2192`, { lane, index: index + 1 })));
    const irq = lastInterrupt(from);
    rows.push(row('interrupt', ...(irq ? [
        link(`\u2190 ${lineLabel(irq.lane.line)}`, irq),
        ` ${formatNs(from - irq.lane.start[irq.index])} before, raised by ${whoRaised(irq.lane, irq.index)}`,
    ] : ['none was seen before it'])));
    if (thread && !thread.idle) {
        rows.push(row('total', `${formatNs(thread['time-ns'])} ` +
            `(${formatShare(thread['time-ns'], wallNs)} of the vCPUs), ` +
            `${formatCount(thread.switches)} switches to it, ` +
            `${formatCount(thread.moves)} moves between vCPUs`));
        const path = pathOf(processes.get(thread.process));
        if (path) {
            rows.push(row('image', path));
        }
    }
    return rows;
}

function detailOfIrq(lane, index) {
    const next = nextRun(lane.start[index]);
    const rows = [row('then ran', ...(next ? [
        link(`${runLabel(next.lane, next.index)} \u2192`, next),
        ` on ${next.lane.label}, ${formatNs(next.lane.start[next.index] - lane.start[index])} later`,
    ] : ['nothing that was seen']))];
    const { line } = lane;
    if (line) {
        rows.push(row('total', `${formatCount(line.outermost)} calls, and ` +
            `${formatCount(line['inner-calls'])} inside of them`));
    }
    return rows;
}

/* What ran and was raised in a part of the recording. */
function totalsOf(from, to) {
    const byThread = new Map();
    let busy = 0;
    let wall = 0;
    for (const lane of cpuLanes) {
        if (!lane) {
            continue;
        }
        wall += to - from;
        busy += busyBefore(lane, to) - busyBefore(lane, from);
        for (let i = Math.max(0, runAt(lane, from)); i < lane.n && lane.start[i] < to; i++) {
            const time = Math.min(to, runEnd(lane, i)) - Math.max(from, lane.start[i]);
            const sum = byThread.get(lane.thread[i]) || { time: 0, switches: 0, longest: 0 };
            sum.time += Math.max(0, time);
            sum.switches += lane.start[i] >= from ? 1 : 0;
            sum.longest = Math.max(sum.longest, time);
            byThread.set(lane.thread[i], sum);
        }
    }
    let interrupts = 0;
    for (const lane of lineLanes.values()) {
        interrupts += lowerBound(lane.start, to, 0, lane.n) - lowerBound(lane.start, from, 0, lane.n);
    }
    return { byThread, busy, wall, interrupts };
}

function detailOfSelection({ from, to }) {
    const sums = totalsOf(from, to);
    const top = [...sums.byThread].filter(([index]) => isBusy(index))
        .sort((a, b) => b[1].time - a[1].time).slice(0, 3);
    const zoomIn = element('button', 'zoom in (z)', 'link');
    zoomIn.type = 'button';
    zoomIn.addEventListener('click', zoomToSelection);
    const head = element('div');
    head.append(element('b', `Selected: ${formatNs(to - from)} from ${formatTime(from)}`), ' ', zoomIn);
    return [head,
        row('vCPUs', `${formatShare(sums.busy, sums.wall)} busy, ${formatCount(sums.interrupts)} interrupts`),
        ...top.map(([index, sum]) => row(formatShare(sum.time, sums.wall),
            `${threadLabel(threads.get(index))}: ${formatNs(sum.time)}, ${formatCount(sum.switches)} switches`))];
}

function zoomToSelection() {
    if (state.selected) {
        const { from, to } = state.selected;
        state.selected = null;
        clampView(from, to - from);
        showDetail();
    }
}

function showDetail() {
    const box = $('detail');
    box.replaceChildren();
    if (state.selected) {
        box.append(...detailOfSelection(state.selected));
        return;
    }
    if (!state.chosen) {
        box.textContent = 'Click a run to see who ran before and after it, and why. ' +
                          'Shift and drag to sum up a part.';
        return;
    }
    const { lane, index } = state.chosen;
    const [first, ...rest] = describe(state.chosen).split('\n');
    const head = element('div');
    head.append(element('b', first), ` \u2014 ${rest.join('; ')}`);
    box.append(head, ...(lane.kind === 'cpu' ? detailOfRun : detailOfIrq)(lane, index));
}

function choose(found) {
    state.chosen = found;
    state.selected = null;
    showDetail();
    requestDraw();
}

/* Bring a run or an interrupt into view, where it can be seen well. */
function goTo(found) {
    const { lane, index } = found;
    const from = lane.start[index];
    const to = lane.kind === 'cpu' ? runEnd(lane, index) : from;
    let wanted = span();
    if (to - from > wanted * 0.8 || (to - from) / wanted * plotWidth() < 3) {
        wanted = Math.max((to - from) * 12, MIN_SPAN * 10);
        wanted = lane.kind === 'cpu' ? wanted : Math.min(span(), 1e6);
    }
    if (from < state.from || to > state.to || wanted !== span()) {
        clampView((from + to) / 2 - wanted / 2, wanted);
    }
    choose(found);
    const box = $('lanes');
    if (lane.y < box.scrollTop + RULER || lane.y + lane.height > box.scrollTop + box.clientHeight) {
        box.scrollTop = lane.y - RULER;
    }
}

/* The nearest run of any of the threads, behind or before a time. */
function findRun(wanted, time, forward) {
    let best = null;
    let bestTime = forward ? Infinity : -Infinity;
    for (const lane of lanes) {
        if (lane.kind !== 'cpu') {
            continue;
        }
        let i = lowerBound(lane.start, time, 0, lane.n);
        if (forward) {
            while (i < lane.n && lane.start[i] <= time) {
                i++;
            }
            while (i < lane.n && lane.start[i] < bestTime && !wanted.has(lane.thread[i])) {
                i++;
            }
        } else {
            i--;
            while (i >= 0 && lane.start[i] > bestTime && !wanted.has(lane.thread[i])) {
                i--;
            }
        }
        if (i >= 0 && i < lane.n && wanted.has(lane.thread[i]) &&
            (forward ? lane.start[i] < bestTime : lane.start[i] > bestTime)) {
            best = { lane, index: i };
            bestTime = lane.start[i];
        }
    }
    return best;
}

const chosenTime = () => state.chosen ? state.chosen.lane.start[state.chosen.index] : null;

function step(wanted, forward) {
    const at = chosenTime();
    const found = findRun(wanted, at === null ? (forward ? -1 : duration + 1) : at, forward) ||
                  findRun(wanted, forward ? -1 : duration + 1, forward);
    if (found) {
        goTo(found);
    }
}

/* The same thread's run before or after the chosen one. */
function stepThread(forward) {
    if (state.chosen && state.chosen.lane.kind === 'cpu') {
        const { lane, index } = state.chosen;
        step(new Set([lane.thread[index]]), forward);
    }
}

/* Search. */

function threadMatches(thread, text) {
    if (thread.idle) {
        return text === 'idle';
    }
    return threadLabel(thread).toLowerCase().includes(text) ||
           pathOf(processes.get(thread.process)).toLowerCase().includes(text) ||
           String(thread.pid) === text || String(thread.tid) === text;
}

function applySearch() {
    const text = state.search.trim().toLowerCase();
    const out = $('matches');
    state.matched = state.matchedLines = null;
    out.textContent = '';
    if (text) {
        state.matched = new Set();
        state.matchedLines = new Set();
        threads.forEach((thread, index) => {
            if (threadMatches(thread, text)) {
                state.matched.add(index);
            }
        });
        lines.forEach((line, id) => {
            if (`${line.label} ${line.path}`.toLowerCase().includes(text)) {
                state.matchedLines.add(id);
            }
        });
        const found = [];
        if (state.matched.size || !state.matchedLines.size) {
            found.push(`${formatCount(state.matched.size)} thread${state.matched.size === 1 ? '' : 's'}`);
        }
        if (state.matchedLines.size) {
            found.push(`${formatCount(state.matchedLines.size)} line${state.matchedLines.size === 1 ? '' : 's'}`);
        }
        out.textContent = found.join(', ');
    }
    requestDraw();
}

function search(text) {
    $('search').value = text;
    state.search = text;
    applySearch();
}

function stepMatch(forward) {
    if (state.matched && state.matched.size) {
        step(state.matched, forward);
    }
}

/* Legend. */

/* With its pid where another has the same name. */
function legendLabel(process) {
    const label = processLabel(process);
    const alone = byTime.every((p) => p === process || processLabel(p) !== label);
    return alone || !(process.image || pathOf(process)) || !('pid' in process) ? label : `${label} ${process.pid}`;
}

function makeLegend() {
    const total = Math.min(byTime.length, 60);
    byTime.slice(0, total).forEach((process) => {
        const button = element('button');
        const swatch = element('canvas');
        const c = swatch.getContext('2d');
        swatch.width = 52;
        swatch.height = 30;
        c.scale(2, 2);
        c.fillStyle = fillFor(process.process, c);
        c.fillRect(0, 0, 26, 15);
        button.type = 'button';
        button.setAttribute('aria-pressed', 'false');
        button.append(swatch, element('span', legendLabel(process)),
                      element('small', formatShare(process['time-ns'], wallNs)));
        button.addEventListener('click', () => pick(process.process));
        button.dataset.process = process.process;
        $('legend').append(button);
    });
    if (hostLanes.some((host) => host)) {
        const item = element('small');
        const mark = element('b', '\u25a0');
        mark.style.color = HOST_COLOUR;
        item.append(mark, ' its vCPU had no CPU of the host');
        $('legend').append(item);
    }
    if (tickLanes.some((ticks) => ticks)) {
        const item = element('small', "Windows' ticks:");
        TICKS.forEach((name, k) => {
            const mark = element('b', '\u25a0');
            mark.style.color = TICK_COLOURS[k];
            item.append(' ', mark, ` ${name === 'dpc' ? 'DPC' : name}`);
        });
        $('legend').append(item);
    }
    for (const [mark, text] of report.switches ? [
        ['\u2581', 'idle'], ['\u259a', 'nobody is known to have run'],
        ['\u2592', 'pale: others ran in between, unseen']] : []) {
        const item = element('small');
        item.append(element('span', mark), ` ${text}`);
        $('legend').append(item);
    }
    if (total < byTime.length) {
        $('legend').append(element('small', `and ${formatCount(byTime.length - total)} more`));
    }
}

function pick(process) {
    state.picked = state.picked === process ? null : process;
    for (const button of $('legend').querySelectorAll('button')) {
        button.setAttribute('aria-pressed', String(Number(button.dataset.process) === state.picked));
    }
    requestDraw();
}
