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

function describeEnd(lane, index) {
    if (index + 1 >= lane.n || lane.thread[index + 1] === 0) {
        return 'until the end of what is known';
    }
    const flags = lane.flags[index + 1];
    const reason = oldReasonOf(flags);
    const name = STATES[oldStateOf(flags)];
    const why = reason >= 0 ? ` (${reasonNames.get(reason) || `reason ${reason}`})` : '';
    return `${name ? `then ${name}${why}` : 'then another'}` +
           `${missedOf(flags) ? '; switches were missed meanwhile' : ''}`;
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
    return rows.filter((row) => row).join('\n');
}

function describeIrq(lane, index) {
    const line = lane.line || {};
    const rows = [line.path || '(unknown)',
                  `${line.kind || ''} line ${line.n === undefined ? '?' : line.n}, ` +
                  `level ${lane.level[index]} at ${formatTime(lane.start[index])}`];
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

function showDetail() {
    const box = $('detail');
    box.replaceChildren();
    if (!state.chosen) {
        box.textContent = 'Click on a run or an interrupt to learn more of it.';
        return;
    }
    const { lane, index } = state.chosen;
    const [first, ...rest] = describe(state.chosen).split('\n');
    box.append(element('b', first), ` \u2014 ${rest.join('; ')}`);
    const thread = lane.kind === 'cpu' && threads.get(lane.thread[index]);
    if (thread && !thread.idle) {
        box.append(element('br'),
            `All in all ${formatNs(thread['time-ns'])} ` +
            `(${formatShare(thread['time-ns'], wallNs)} of the vCPUs), ` +
            `${formatCount(thread.switches)} switches to it, ` +
            `${formatCount(thread.moves)} moves between vCPUs.`);
    }
}

function choose(found) {
    state.chosen = found;
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
            if (line.path.toLowerCase().includes(text)) {
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
    const alone = byTime.every((p) => p === process || p.image !== process.image);
    return alone || !process.image || !('pid' in process) ? label : `${label} ${process.pid}`;
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
