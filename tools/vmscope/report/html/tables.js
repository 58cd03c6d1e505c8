/*
 * tables: the figures below the timeline.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/* A column: its name, the value to sort by, and the text to show. */
const column = (name, value, show = formatCount) => ({ name, value, show });
const textColumn = (name, value) => ({ name, value, show: (text) => text, text: true });
const timeColumn = (name, value) => column(name, value, formatNs);
const shareColumn = (name, value, whole) =>
    column(name, value, (part) => formatShare(part, whole));

const MAX_ROWS = 500;

function makeTable(columns, rows, sorted, go) {
    const table = element('table');
    const body = element('tbody');
    const head = element('tr');
    let order = { column: sorted, falling: true };

    const fill = () => {
        const { value } = columns[order.column] || {};
        const sign = order.falling ? -1 : 1;
        const list = !value ? rows : [...rows].sort((a, b) => {
            const x = value(a);
            const y = value(b);
            return sign * (typeof x === 'string' ? x.localeCompare(y) : (x ?? -1) - (y ?? -1));
        });
        body.replaceChildren(...list.slice(0, MAX_ROWS).map((row) => {
            const tr = element('tr');
            for (const c of columns) {
                const v = c.value(row);
                tr.append(element('td', v === undefined ? '-' : c.show(v), c.text ? 'text' : ''));
            }
            if (go) {
                tr.className = 'go';
                tr.addEventListener('click', () => go(row));
            }
            return tr;
        }));
        [...head.children].forEach((th, i) => th.setAttribute('aria-sort',
            i !== order.column ? 'none' : order.falling ? 'descending' : 'ascending'));
    };

    columns.forEach((c, i) => {
        const th = element('th', undefined, c.text ? 'text' : '');
        const button = element('button', c.name);
        button.type = 'button';
        button.addEventListener('click', () => {
            order = { column: i, falling: order.column === i ? !order.falling : !c.text };
            fill();
        });
        th.append(button);
        head.append(th);
    });
    const thead = element('thead');
    thead.append(head);
    table.append(thead, body);
    fill();
    const box = element('div');
    box.append(table);
    if (rows.length > MAX_ROWS) {
        box.append(element('p', `The first ${MAX_ROWS} of ${formatCount(rows.length)}.`));
    }
    return box;
}

function goToThread(row) {
    state.chosen = null;
    window.scrollTo({ top: 0 });
    step(new Set([row.thread]), true);
}

/* Rows as they are in the part in view; what is not counted there is not said. */
function threadsInScope() {
    if (state.scope === 'all') {
        return report.threads;
    }
    const { byThread } = totalsOf(state.from, state.to);
    return report.threads.filter((t) => byThread.has(t.thread)).map((t) => {
        const sum = byThread.get(t.thread);
        return { thread: t.thread, process: t.process, name: t.name, pid: t.pid, tid: t.tid,
                 'time-ns': sum.time, switches: sum.switches, runs: 0, longest: sum.longest };
    });
}

function processesInScope() {
    if (state.scope === 'all') {
        return report.processes;
    }
    const sums = new Map();
    for (const t of threadsInScope()) {
        const sum = sums.get(t.process) || { 'time-ns': 0, switches: 0, threads: 0 };
        sum['time-ns'] += t['time-ns'];
        sum.switches += t.switches;
        sum.threads++;
        sums.set(t.process, sum);
    }
    return report.processes.filter((p) => sums.has(p.process)).map((p) =>
        ({ ...p, moves: undefined, ...sums.get(p.process) }));
}

function linesInScope() {
    if (state.scope === 'all') {
        return report.lines;
    }
    return report.lines.filter((line) => lineLanes.has(line.line)).map((line) => {
        const lane = lineLanes.get(line.line);
        const from = lowerBound(lane.start, state.from, 0, lane.n);
        const to = lowerBound(lane.start, state.to, 0, lane.n);
        let outermost = 0;
        for (let i = from; i < to; i++) {
            outermost += lane.depth[i] ? 0 : 1;
        }
        return { line: line.line, label: line.label, path: line.path, kind: line.kind,
                 events: to - from, outermost };
    }).filter((line) => line.events);
}

const wallInScope = () => state.scope === 'all' ? wallNs
    : cpuLanes.filter((lane) => lane).length * span();

function threadTable() {
    return [makeTable([
        textColumn('process', (t) => processLabel(processes.get(t.process))),
        textColumn('thread', (t) => t.name),
        column('pid', (t) => t.pid, String),
        column('tid', (t) => t.tid, String),
        timeColumn('time', (t) => t['time-ns']),
        shareColumn('share', (t) => t['time-ns'], wallInScope()),
        column('switches', (t) => t.switches),
        timeColumn('mean run', (t) => t.runs ? t['runs-ns'] / t.runs : undefined),
        timeColumn('longest run', (t) => t.runs ? t['longest-run-ns'] : t.longest),
        timeColumn('mean wait', (t) => t['ready-waits'] ? t['ready-waits-ns'] / t['ready-waits'] : undefined),
        column('moves', (t) => t.moves),
    ], threadsInScope(), 4, goToThread),
    element('p', 'A wait is from being seen ready to running. Click a thread to see its first run.')];
}

function processTable() {
    return [makeTable([
        textColumn('process', processLabel),
        column('pid', (p) => p.pid, String),
        timeColumn('time', (p) => p['time-ns']),
        shareColumn('share', (p) => p['time-ns'], wallInScope()),
        column('threads', (p) => p.threads),
        column('switches', (p) => p.switches),
        column('moves', (p) => p.moves),
        ...(report.processes.some(pathOf) ? [textColumn('path of the image', pathOf)] : []),
    ], processesInScope(), 2, (row) => search(processLabel(row)))];
}

function hostTable() {
    const share = (name, key) => column(name, (c) => c[key] / (c['host-ns'] || 1),
        (part) => `${(100 * part).toFixed(1)} %`);
    return makeTable([
        column('vCPU', (c) => c.vcpu, String),
        share('on a CPU', 'host-run-ns'), share('waited for one', 'host-wait-ns'),
        share('blocked', 'host-blocked-ns'),
        timeColumn('longest wait', (c) => c['host-longest-wait-ns']),
    ], report.vcpus.filter((c) => c['host-ns']), 2);
}

function tickTable() {
    const all = (c) => TICKS.reduce((sum, name) => sum + c['windows-ticks'][name], 0) || 1;
    const share = (title, name) => column(title, (c) => c['windows-ticks'][name] / all(c),
        (part) => `${(100 * part).toFixed(1)} %`);
    return makeTable([
        column('vCPU', (c) => c.vcpu, String),
        share('user', 'user'), share('kernel', 'kernel'), share('DPCs', 'dpc'),
        share('interrupts', 'interrupt'), share('idle', 'idle'),
        column('ticks', all),
        column('interrupts/s', (c) => c['windows-interrupts'] * 1e9 / c['windows-ticks-ns'],
            (rate) => rate.toFixed(0)),
        column('no CPU of the host', (c) => c['host-ns']
            ? c['host-wait-ns'] / c['host-ns'] : undefined,
        (part) => `${(100 * part).toFixed(1)} %`),
    ], report.vcpus.filter((c) => c['windows-ticks']), 1);
}

const tickNote = () => element('p',
    'At each tick of its clock Windows counts what was interrupted. Of some hundred ' +
    'ticks shares are right to some percent. What the host took away is not in them.');

const hostNote = () => element('p',
    'By the scheduler of the host, which a guest cannot see. Sums are right to ' +
    'some milliseconds; where in its span of about 10 ms a wait lies is not known.');

function cpuTable() {
    const all = (c) => c['busy-ns'] + c['idle-ns'] + c['unknown-ns'];
    const share = (name, key) => column(name, (c) => c[key] / (all(c) || 1),
        (part) => `${(100 * part).toFixed(1)} %`);
    const rows = [makeTable([
        column('vCPU', (c) => c.vcpu, String),
        share('busy', 'busy-ns'), share('idle', 'idle-ns'), share('not known', 'unknown-ns'),
        share('uncertain', 'uncertain-ns'),
        column('switches', (c) => c.switches),
        column('not seen', (c) => c.missed),
    ], report.vcpus, 1)];
    if (report.vcpus.some((c) => c['windows-ticks'])) {
        rows.push(element('h2', "By Windows' own ticks"), tickTable(), tickNote());
    }
    if (report.vcpus.some((c) => c['host-ns'])) {
        rows.push(element('h2', "The host's side"), hostTable(), hostNote());
    }
    if (report['vcpu-moves'].length) {
        rows.push(element('h2', 'Moves of threads'), makeTable([
            column('from', (m) => m.from, String),
            column('to', (m) => m.to, String),
            column('moves', (m) => m.count),
        ], report['vcpu-moves'], 2));
    }
    return rows;
}

function goToLine(row) {
    const lane = lineLanes.get(row.line);
    if (lane && lanes.includes(lane)) {
        window.scrollTo({ top: 0 });
        goTo({ lane, index: 0 });
    }
}

function lineTable() {
    const wall = state.scope === 'all' ? duration : span();
    const counted = (line) => state.allDepths ? line.events : line.outermost;
    const list = linesInScope().filter(counted);
    const folded = report.lines.some((line) => line.events > line.outermost);
    const all = element('button', state.allDepths ? 'Only outermost calls' : 'All depths');
    all.type = 'button';
    all.addEventListener('click', () => {
        state.allDepths = !state.allDepths;
        showTab('Interrupts');
    });
    return [makeTable([
        textColumn('device', (l) => l.label),
        textColumn('kind', (l) => l.kind),
        column('events', counted),
        column('inside', (l) => l['inner-calls'], (n) => n ? `+${formatCount(n)}` : ''),
        column('per second', (l) => counted(l) / wall * 1e9, (n) => n.toFixed(0)),
        column('storms', (l) => l.storms),
        timeColumn('longest gap', (l) => l['longest-gap-ns']),
        textColumn('path', (l) => l.path),
    ], list, 2, goToLine),
    ...(folded ? [all] : []),
    element('p', 'Inside: calls that these led to, on the way to the CPU. A storm is 100 interrupts ' +
                 'or more within 10 ms. Click a line to see its first one.')];
}

function pairTable() {
    const chance = report['followed-by-chance'];
    return [element('p', `How often a vCPU switched to a thread within ${formatNs(report['window-ns'])} ` +
        `of an interrupt being raised by a device. By chance that would be ${(100 * chance).toFixed(1)} %.`),
    makeTable([
        textColumn('device', (l) => l.label),
        column('raised by a device', (l) => l.followed + l['not-followed']),
        column('followed', (l) => l.followed / ((l.followed + l['not-followed']) || 1),
            (part) => `${(100 * part).toFixed(1)} %`),
        timeColumn('mean', (l) => l.followed ? l['to-thread']['sum-ns'] / l.followed : undefined),
    ], report.lines.filter((l) => l.followed + l['not-followed']), 2),
    element('h2', 'Which thread ran next'),
    makeTable([
        textColumn('device', (p) => lineLabel(lines.get(p.line))),
        textColumn('thread', (p) => threadLabel(threads.get(p.thread))),
        column('times', (p) => p.count),
        timeColumn('mean', (p) => p['sum-ns'] / p.count),
        timeColumn('longest', (p) => p['max-ns']),
    ], report['line-to-thread'], 2, (row) => goToThread({ thread: row.thread }))];
}

/* As the report in text has it: 64 us are 65,536 ns. */
function formatPower(ns) {
    for (const [unit, size] of [['s', 2 ** 30], ['ms', 2 ** 20], ['\u00b5s', 2 ** 10]]) {
        if (ns >= size) {
            return `${ns / size} ${unit}`;
        }
    }
    return `${ns} ns`;
}

/* All powers of two from the first bucket to the last. */
function fillGaps(buckets) {
    const filled = [];
    for (const bucket of buckets) {
        while (filled.length && filled.at(-1)['from-ns'] * 2 < bucket['from-ns']) {
            filled.push({ 'from-ns': filled.at(-1)['from-ns'] * 2 || 2, count: 0 });
        }
        filled.push(bucket);
    }
    return filled;
}

function histogram(title, data) {
    const parts = [element('h2', title)];
    if (!data.count) {
        parts.push(element('p', 'None were seen.'));
        return parts;
    }
    parts.push(element('p', `${formatCount(data.count)}; mean ${formatNs(data['sum-ns'] / data.count)}, ` +
        `longest ${formatNs(data['max-ns'])}.`));
    const most = Math.max(...data.buckets.map((b) => b.count));
    const table = element('table');
    for (const bucket of fillGaps(data.buckets)) {
        const tr = element('tr');
        const bar = element('span', '', 'bar');
        const cell = element('td', '', 'text');
        bar.style.width = `${100 * bucket.count / most}%`;
        bar.hidden = !bucket.count;
        cell.append(bar);
        cell.style.width = '60%';
        tr.append(element('td', `from ${formatPower(bucket['from-ns'])}`),
                  element('td', formatCount(bucket.count)), cell);
        table.append(tr);
    }
    parts.push(table);
    return parts;
}

function latencyPanel() {
    const parts = [
        ...histogram('How long threads ran at a time', report['run-lengths']),
        ...histogram('How long threads that were seen ready waited for a vCPU', report['ready-to-running']),
    ];
    if (report.waits.length) {
        parts.push(element('h2', 'What threads waited for, until they ran again'), makeTable([
            textColumn('reason', (w) => w.name),
            column('waits', (w) => w.count),
            timeColumn('together', (w) => w['sum-ns']),
            timeColumn('mean', (w) => w['sum-ns'] / w.count),
            timeColumn('longest', (w) => w['max-ns']),
        ], report.waits, 2));
    }
    return parts;
}

function guestPanel() {
    const { recording, guest } = report;
    const rows = [
        ['VM', recording['vm-name']], ['QEMU', `${recording['qemu-version']} ${recording.exe}`],
        ['recorded with', recording.options],
        ['samples per second', recording['poll-hz'] === 0xffffffff ? 'without a pause' : recording['poll-hz'] || 'at exits only'],
    ];
    if (guest) {
        rows.push(['Windows build', guest.build], ['kernel file', `timestamp 0x${guest['kernel-timestamp'].toString(16)}, ` +
            `size 0x${guest['kernel-size'].toString(16)}`]);
        for (const offset of guest.offsets) {
            rows.push([offset.name, 'value' in offset ? `0x${offset.value.toString(16)} (${offset.source})` : 'not known']);
        }
    }
    /* In the order given: sorted by no column. */
    return [makeTable([textColumn('what', (r) => r[0]), textColumn('value', (r) => String(r[1] || '-'))], rows, -1)];
}

const ALL_TABS = [
    ['Threads', threadTable], ['Processes', processTable], ['vCPUs', cpuTable],
    ['Latency', latencyPanel], ['Interrupts', lineTable],
    ['Interrupt to thread', pairTable], ['Recording', guestPanel],
];
const OF_SWITCHES = ['Threads', 'Processes', 'vCPUs', 'Latency', 'Interrupt to thread'];
const OF_INTERRUPTS = ['Interrupts', 'Interrupt to thread'];
/* Without empty ones. */
const TABS = ALL_TABS.filter(([name]) =>
    (report.switches || !OF_SWITCHES.includes(name)) &&
    (report.interrupts || !OF_INTERRUPTS.includes(name)));
const SCOPED = ['Threads', 'Processes', 'Interrupts'];
let shownTab = '';

function scopeButtons() {
    const box = element('div', undefined, 'scope');
    for (const [scope, text] of [['view', 'In view'], ['all', 'Whole recording']]) {
        const button = element('button', text);
        button.type = 'button';
        button.setAttribute('aria-pressed', String(state.scope === scope));
        button.addEventListener('click', () => {
            state.scope = scope;
            showTab(shownTab);
        });
        box.append(button);
    }
    return box;
}

let scopeTimer = 0;

/* Tables of what is in view follow it, when it has come to rest. */
function viewChanged() {
    if (state.scope === 'view' && SCOPED.includes(shownTab)) {
        clearTimeout(scopeTimer);
        scopeTimer = setTimeout(() => showTab(shownTab), 150);
    }
}

function showTab(name) {
    shownTab = name;
    for (const button of $('tabs').children) {
        const selected = button.textContent === name;
        button.setAttribute('aria-selected', String(selected));
        button.tabIndex = selected ? 0 : -1;
    }
    $('panel').replaceChildren(...(SCOPED.includes(name) ? [scopeButtons()] : []),
                               ...TABS.find((tab) => tab[0] === name)[1]());
}

function makeTabs() {
    TABS.forEach(([name], i) => {
        const button = element('button', name);
        button.type = 'button';
        button.setAttribute('role', 'tab');
        button.addEventListener('click', () => showTab(name));
        button.addEventListener('keydown', (event) => {
            const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
            if (way) {
                const other = $('tabs').children[(i + way + TABS.length) % TABS.length];
                other.click();
                other.focus();
                event.stopPropagation();
            }
        });
        $('tabs').append(button);
    });
}
