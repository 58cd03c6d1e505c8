/*
 * data: the recording, in lanes.
 *
 * Everything comes from the elements "report" (what vmscope report --json
 * says), "switches" and "interrupts" (events, packed as report-html.c has
 * it).  Names in there were chosen by a guest: they are only ever put in by
 * textContent and fillText.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

const $ = (id) => document.getElementById(id);

/* Names from a guest: nothing in them may break a line or turn it around. */
function printable(text) {
    return text.replace(/[\u0000-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
        .replace(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '\ufffd');
}

const report = JSON.parse($('report').textContent,
    (key, value) => typeof value === 'string' ? printable(value) : value);
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

function processLabel(process) {
    if (!process) {
        return '(unknown)';
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
readEvents('switches', 3, (e) => e[1], (cpu, n, e, count) => {
    let lane = cpuLanes[cpu];
    if (!lane) {
        lane = cpuLanes[cpu] = {
            kind: 'cpu', cpu, label: `vCPU ${cpu}`, n: count,
            start: new Float64Array(count),
            thread: new Uint32Array(count),
            flags: new Uint32Array(count),
        };
    }
    /* Looks at one vCPU from two sides may stamp a little out of order. */
    lane.start[n] = n ? Math.max(e[0], lane.start[n - 1]) : e[0];
    lane.thread[n] = e[2];
    lane.flags[n] = e[3];
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

const lineLanes = new Map();
const lines = new Map(report.lines.map((line) => [line.line, line]));
readEvents('interrupts', 2, (e) => e[1], (id, n, e, count) => {
    let lane = lineLanes.get(id);
    if (!lane) {
        const line = lines.get(id);
        lane = {
            kind: 'line', id, n: count, line,
            label: line ? line.path.replace(/^.*\/(?=[^/]*\/[^/]+$)/, '') : '(unknown)',
            start: new Float64Array(count),
            level: new Int32Array(count),
        };
        lineLanes.set(id, lane);
    }
    lane.start[n] = n ? Math.max(e[0], lane.start[n - 1]) : e[0];
    lane.level[n] = e[2] % 2 ? -(e[2] + 1) / 2 : e[2] / 2;
});

const MAX_CPU_LANES = 256;
const MAX_LINE_LANES = 100;
const lanes = cpuLanes.filter((lane) => lane).slice(0, MAX_CPU_LANES);
lanes.push(...report.lines.map((line) => lineLanes.get(line.line))
    .filter((lane) => lane).slice(0, MAX_LINE_LANES));
