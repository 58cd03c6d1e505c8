/*
 * page: the head of the page, themes, pointer and keys; and the start.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/* Head of the page. */

function note(text, warn) {
    $('notes').append(element('li', text, warn ? 'warn' : ''));
}

function makeHead() {
    const { recording } = report;
    const name = recording['vm-name'] || 'a virtual machine';
    const when = new Date((recording['realtime-ns'] + report['begin-ns'] - recording['monotonic-ns']) / 1e6);
    document.title = `vmscope: ${name}`;
    $('title').textContent = `vmscope: ${name}`;
    $('subtitle').textContent = `${formatNs(duration)} from ${isNaN(when) ? '?' : when.toISOString()}` +
        `${report.guest ? `, Windows build ${report.guest.build}` : ''}: ` +
        `${formatCount(report.switches)} switches on ${report.vcpus.length} vCPUs, ` +
        `${formatCount(report.interrupts)} interrupts on ${report.lines.length} lines`;
}

function makeNotes() {
    const lost = report['switches-lost'] + report['switches-dropped'];
    const irqLost = report['interrupts-lost'] + report['interrupts-dropped'];
    if (lost || irqLost) {
        note(`${formatCount(lost)} switches and ${formatCount(irqLost)} interrupts were lost: ` +
             'they came faster than they were written.', true);
    }
    if (report['switches-missed']) {
        note(`The guest counted ${formatCount(report['switches-missed'])} switches that were not seen; ` +
             `${formatShare(report['uncertain-ns'], wallNs)} of the time is uncertain because of this, and pale in the timeline.`, true);
    }
    if (!report.recording.finished) {
        note('The recording was not finished: its end is missing.', true);
    }
    if (report.switches && !report.exact) {
        const exact = report['switches-exact'];
        const rate = report.recording['poll-hz'];
        // The largest number is dense polling: without a pause.
        const often = rate === 0xffffffff ? 'without a pause' : `${formatCount(rate)} times per second`;
        note(`${exact ? `${formatCount(exact)} switches were recorded as they happened (exact mode); the others` :
                        'Switches'} were sampled, ${often} and at ` +
             'exits of the vCPU: what ran in between is not here.');
    }
    if (cpuLanes.filter((lane) => lane).length > MAX_CPU_LANES || lineLanes.size > MAX_LINE_LANES) {
        note(`The timeline shows the first ${MAX_CPU_LANES} vCPUs and the ${MAX_LINE_LANES} busiest lines; ` +
             'the tables have all.');
    }
}

/* Themes. */

function setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    $('theme-button').textContent = theme === 'dark' ? 'Light' : 'Dark';
    readColours();
    requestDraw();
}

const toggleTheme = () =>
    setTheme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');

function toggleHelp() {
    const help = $('help');
    help.hidden = !help.hidden;
    $('help-button').setAttribute('aria-expanded', String(!help.hidden));
}

/* Input. */

function place(event) {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
}

canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 30 : 1;
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        clampView(state.from + sideways * unit / plotWidth() * span(), span());
        return;
    }
    const { x } = place(event);
    zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY * unit * 0.0022))), timeAt(Math.max(LABEL, x)));
}, { passive: false });

canvas.addEventListener('pointerdown', (event) => {
    const { x, y } = place(event);
    if (event.button !== 0) {
        return;
    }
    canvas.setPointerCapture(event.pointerId);
    state.drag = { x, y, now: x, from: state.from, moved: false, select: event.shiftKey || y < RULER,
                   sum: event.shiftKey };
    tooltip.hidden = true;
});

canvas.addEventListener('pointermove', (event) => {
    const { x, y } = place(event);
    const { drag } = state;
    state.hover = x;
    if (drag) {
        drag.now = x;
        drag.moved = drag.moved || Math.abs(x - drag.x) > 3;
        if (drag.moved && !drag.select) {
            clampView(drag.from - (x - drag.x) / plotWidth() * span(), span());
        }
    }
    showTooltip(x, y);
    requestDraw();
});

canvas.addEventListener('pointerup', (event) => {
    const { x, y } = place(event);
    const { drag } = state;
    state.drag = null;
    if (!drag) {
        return;
    }
    if (!drag.moved) {
        choose(hit(x, y));
    } else if (drag.select) {
        const a = timeAt(Math.max(LABEL, Math.min(drag.x, x)));
        const b = timeAt(Math.max(drag.x, x));
        if (drag.sum) {
            state.selected = { from: Math.max(0, a), to: Math.min(duration, b) };
            showDetail();
        } else {
            clampView(a, b - a);
        }
    }
    requestDraw();
});

canvas.addEventListener('pointercancel', () => {
    state.drag = null;
    requestDraw();
});

canvas.addEventListener('pointerleave', () => {
    state.hover = null;
    tooltip.hidden = true;
    requestDraw();
});

canvas.addEventListener('dblclick', (event) => {
    zoom(0.3, timeAt(place(event).x));
});

function moveByOverview(event) {
    const box = overview.getBoundingClientRect();
    const time = (event.clientX - box.left - LABEL) / Math.max(1, box.width - LABEL) * duration;
    clampView(time - span() / 2, span());
}

overview.addEventListener('pointerdown', (event) => {
    overview.setPointerCapture(event.pointerId);
    moveByOverview(event);
});
overview.addEventListener('pointermove', (event) => {
    if (event.buttons & 1) {
        moveByOverview(event);
    }
});

const at = () => state.hover !== null && state.hover >= LABEL ? timeAt(state.hover) : undefined;
const pan = (share) => clampView(state.from + share * span(), span());

function letGo() {
    if (!$('help').hidden) {
        toggleHelp();
        return;
    }
    state.selected = null;
    search('');
    choose(null);
    if (state.picked !== null) {
        pick(state.picked);
    }
}

const KEYS = {
    '+': () => zoom(0.5, at()), '=': () => zoom(0.5, at()), w: () => zoom(0.5, at()),
    '-': () => zoom(2, at()), _: () => zoom(2, at()), s: () => zoom(2, at()),
    0: () => clampView(0, duration),
    ArrowLeft: (event) => pan(event.shiftKey ? -0.8 : -0.15),
    ArrowRight: (event) => pan(event.shiftKey ? 0.8 : 0.15),
    a: () => pan(-0.15), d: () => pan(0.15), A: () => pan(-0.8), D: () => pan(0.8),
    '[': () => stepThread(false), ']': () => stepThread(true),
    n: () => stepMatch(true), p: () => stepMatch(false),
    Enter: () => stepMatch(true), z: zoomToSelection,
    '/': () => $('search').focus(),
    t: toggleTheme, '?': toggleHelp,
    Escape: letGo,
};

document.addEventListener('keydown', (event) => {
    const typing = event.target instanceof HTMLInputElement;
    if (event.ctrlKey || event.altKey || event.metaKey) {
        return;
    }
    if (typing) {
        if (event.key === 'Enter') {
            event.preventDefault();
            stepMatch(!event.shiftKey);
            canvas.focus({ preventScroll: true });  /* so that n and p go on */
        } else if (event.key === 'Escape') {
            search('');
            canvas.focus();
        }
        return;
    }
    const act = KEYS[event.key];
    if (act) {
        event.preventDefault();
        act(event);
    }
});

$('search').addEventListener('input', (event) => {
    state.search = event.target.value;
    applySearch();
});
$('next').addEventListener('click', () => stepMatch(true));
$('previous').addEventListener('click', () => stepMatch(false));
$('zoom-in').addEventListener('click', () => zoom(0.5));
$('zoom-out').addEventListener('click', () => zoom(2));
$('zoom-all').addEventListener('click', () => clampView(0, duration));
$('theme-button').addEventListener('click', toggleTheme);
$('help-button').addEventListener('click', toggleHelp);
window.addEventListener('resize', requestDraw);

makeHead();
makeNotes();
makeLegend();
makeTabs();
showTab(TABS[0][0]);
showDetail();
const prefersDark = window.matchMedia('(prefers-color-scheme: dark)');
setTheme(prefersDark.matches ? 'dark' : 'light');
prefersDark.addEventListener('change', (event) => setTheme(event.matches ? 'dark' : 'light'));

/* For tests, and for who opens the console. */
return { report, state, lanes, duration, draw, hit, xAt, timeAt, search, goTo, clampView, threadLabel, threads,
         describe, waitedBefore };
