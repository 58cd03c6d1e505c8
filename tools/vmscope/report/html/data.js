/*
 * data: the recording, in lanes.
 *
 * Everything comes from the elements "report" (what vmscope report --json
 * says), "switches", "interrupts" and "host" (events, packed as report-html.c
 * has it).  Names in there were chosen by a guest: they are only ever put in by
 * textContent and fillText, and vmscope has escaped what would break a line or
 * turn it around.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

const $ = (id) => document.getElementById(id);

const report = JSON.parse($('report').textContent);
const duration = Math.max(1, report['end-ns'] - report['begin-ns']);

function unpack(id) {
    const text = atob($(id).textContent.trim());
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) {
        bytes[i] = text.charCodeAt(i);
    }
    return bytes;
}

/* Numbers of seven bits a byte, as doubles: exact up to 2^53. */
class Reader {
    constructor(bytes) {
        this.bytes = bytes;
        this.at = 0;
    }

    get more() {
        return this.at < this.bytes.length;
    }

    number() {
        let value = 0;
        let scale = 1;
        let byte;
        do {
            byte = this.bytes[this.at++];
            value += (byte & 0x7f) * scale;
            scale *= 128;
        } while (byte & 0x80 && this.at < this.bytes.length);
        return value;
    }

    signed() {
        const value = this.number();
        return value % 2 ? -(value + 1) / 2 : value / 2;
    }
}

/* Events go into lanes; a first pass counts, so that arrays fit. */
function readEvents(id, fields, laneOf, put) {
    const bytes = unpack(id);
    const counts = new Map();
    const event = new Float64Array(fields + 1);
    for (let pass = 0; pass < 2; pass++) {
        const reader = new Reader(bytes);
        const used = new Map();
        let time = 0;
        while (reader.more) {
            time += reader.signed();
            event[0] = time;
            for (let k = 1; k <= fields; k++) {
                event[k] = reader.number();
            }
            const lane = laneOf(event);
            const n = used.get(lane) || 0;
            if (pass) {
                put(lane, n, event, counts.get(lane));
            }
            used.set(lane, n + 1);
        }
        used.forEach((n, lane) => counts.set(lane, n));
    }
}

const threads = new Map();      /* by index */
const processes = new Map();
for (const process of report.processes) {
    processes.set(process.process, process);
}
for (const thread of report.threads) {
    threads.set(thread.thread, thread);
}
for (const index of report['idle-threads']) {
    threads.set(index, { thread: index, idle: true, name: '', image: '' });
}

const pathOf = (process) => (process && process['process-path']) || '';

function processLabel(process) {
    if (!process) {
        return '(unknown)';
    }
    /* The only name that is not cut, and the only one in Unicode. */
    const leaf = pathOf(process).split('\\').pop();
    if (leaf) {
        return leaf;
    }
    if (process.image) {
        return process.image;
    }
    return 'pid' in process ? `process ${process.pid}` : '(unknown)';
}

function threadLabel(thread) {
    if (!thread) {
        return '(not known)';
    }
    if (thread.idle) {
        return 'idle';
    }
    const label = processLabel(processes.get(thread.process));
    return thread.name ? `${label}: ${thread.name}`
                       : 'tid' in thread ? `${label} ${thread.tid}` : label;
}

/* Lanes: of a vCPU, where runs lie; of a line, when it was raised. */

const cpuLanes = [];
readEvents('switches', 4, (e) => e[1], (cpu, n, e, count) => {
    let lane = cpuLanes[cpu];
    if (!lane) {
        lane = cpuLanes[cpu] = {
            kind: 'cpu', cpu, label: `vCPU ${cpu}`, n: count,
            start: new Float64Array(count),
            thread: new Uint32Array(count),
            flags: new Uint32Array(count),
            priorities: new Uint16Array(count),
        };
    }
    /* Looks at one vCPU from two sides may stamp a little out of order. */
    lane.start[n] = n ? Math.max(e[0], lane.start[n - 1]) : e[0];
    lane.thread[n] = e[2];
    lane.flags[n] = e[3];
    lane.priorities[n] = e[4];
});

const isBusy = (index) => {
    const thread = threads.get(index);
    return thread !== undefined && !thread.idle;
};

/* busy[i]: nanoseconds that threads ran before the run i begins. */
for (const lane of cpuLanes) {
    if (!lane) {
        continue;
    }
    const busyOf = new Map();
    lane.busy = new Float64Array(lane.n + 1);
    for (let i = 0; i < lane.n; i++) {
        const index = lane.thread[i];
        if (!busyOf.has(index)) {
            busyOf.set(index, isBusy(index));
        }
        const end = i + 1 < lane.n ? lane.start[i + 1] : duration;
        lane.busy[i + 1] = lane.busy[i] +
            (busyOf.get(index) ? Math.max(0, end - lane.start[i]) : 0);
    }
}

/*
 * What a guest cannot know: when its vCPU had no CPU of the host.  A wait is
 * told of when it ends, so a long one began before its span.  waited[i]:
 * nanoseconds of waiting before the span i.
 */
const hostLanes = [];
readEvents('host', 4, (e) => e[1], (cpu, n, e, count) => {
    const host = hostLanes[cpu] || (hostLanes[cpu] = {
        n: count,
        start: new Float64Array(count),
        end: new Float64Array(count),
        run: new Float64Array(count),
        wait: new Float64Array(count),
        waited: new Float64Array(count + 1),
    });
    const before = n ? host.end[n - 1] : -Infinity;
    host.start[n] = Math.max(before, e[0] - Math.max(e[2], e[4]));
    host.end[n] = Math.max(host.start[n], e[0]);
    host.run[n] = e[3];
    host.wait[n] = e[4];
    host.waited[n + 1] = host.waited[n] + e[4];
});
for (const lane of cpuLanes) {
    if (lane) {
        lane.host = hostLanes[lane.cpu];
    }
}

/* Where time went by Windows' own ticks: spans, each with its five counts. */
const TICKS = ['user', 'kernel', 'dpc', 'interrupt', 'idle'];
const tickLanes = [];
readEvents('ticks', 2 + TICKS.length, (e) => e[1], (cpu, n, e, count) => {
    const ticks = tickLanes[cpu] || (tickLanes[cpu] = {
        n: count,
        start: new Float64Array(count),
        end: new Float64Array(count),
        counts: TICKS.map(() => new Float64Array(count)),
    });
    ticks.start[n] = e[0] - e[2];
    ticks.end[n] = e[0];
    TICKS.forEach((_, k) => {
        ticks.counts[k][n] = e[3 + k];
    });
});
for (const lane of cpuLanes) {
    if (lane) {
        lane.ticks = tickLanes[lane.cpu];
    }
}

const lineLabel = (line) => line ? line.label : '(unknown)';
const lineLanes = new Map();
const lines = new Map(report.lines.map((line) => [line.line, line]));
const callerNames = new Map(JSON.parse($('callers').textContent)
    .map((one) => [one.offset, one.name]));
const hostThreads = new Map(JSON.parse($('host-threads').textContent)
    .map((t) => [t.tid, t.name]));
readEvents('interrupts', 5, (e) => e[1], (id, n, e, count) => {
    let lane = lineLanes.get(id);
    if (!lane) {
        const line = lines.get(id);
        lane = {
            kind: 'line', id, n: count, line,
            label: lineLabel(line),
            start: new Float64Array(count),
            level: new Int32Array(count),
            depth: new Uint8Array(count),
            tid: new Uint32Array(count),
            caller: new Float64Array(count),
        };
        lineLanes.set(id, lane);
    }
    lane.start[n] = n ? Math.max(e[0], lane.start[n - 1]) : e[0];
    lane.level[n] = e[2] % 2 ? -(e[2] + 1) / 2 : e[2] / 2;
    lane.depth[n] = Math.min(e[3], 255);
    lane.tid[n] = e[4];
    lane.caller[n] = e[5];
});

const MAX_CPU_LANES = 256;
const MAX_LINE_LANES = 100;
const lanes = cpuLanes.filter((lane) => lane).slice(0, MAX_CPU_LANES);
/* Lines that only pass on what others raised have no lane of their own. */
const shownLines = report.lines.filter((line) => line.outermost);
shownLines.sort((a, b) => b.outermost - a.outermost);
lanes.push(...shownLines.map((line) => lineLanes.get(line.line))
    .filter((lane) => lane).slice(0, MAX_LINE_LANES));
