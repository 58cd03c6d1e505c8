"""The page of vmscope report --html, in a headless Chromium.

Clicks, keys and the wheel are real ones; what the page has understood is
asked of its object "page", what it shows of its elements and pixels.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os

import browser
from rig import (Skip, at_end, check, folder, full, make_trace, report, same,
                 script_trace, vmscope)

_shared = {}


def page_of(**options):
    path = make_trace(os.path.join(folder(), 't.vms'), **options)
    html = path + '.html'
    vmscope('report', '--html', '-o', html, path)
    return path, html


def chromium():
    if not browser.find():
        raise Skip('chromium is not installed')
    found = browser.Browser(folder())
    at_end(found.close)
    return found


def opened(**options):
    """A browser with a page, and the figures of its recording."""
    path, html = page_of(**options)
    found = chromium()
    found.open(html)
    return found, report(path)


def fine(found):
    """Nothing went wrong, and nothing was asked of any network."""
    same(found.errors, [], 'errors')
    check(all(url.startswith('file:///') for url in found.requests),
          f'{found.requests}')
    same(len(found.requests), 1, 'requests')


def view(found):
    return found.evaluate('[page.state.from, page.state.to]')


def span(found):
    begin, end = view(found)
    return end - begin


def middle(found):
    """A place within the first vCPU's lane."""
    x, y, width, _ = found.box('#timeline')
    return x + 190 + (width - 190) * 0.4, y + 26 + 14


def test_opens():
    found, figures = opened(events=4000)
    title = found.evaluate('document.getElementById("title").textContent')
    same(title, 'vmscope: win11', 'title')
    lanes = found.evaluate('page.lanes.map((l) => [l.kind, l.n])')
    same([n for kind, n in lanes if kind == 'cpu'],
         [vcpu['switches'] for vcpu in sorted(figures['vcpus'],
                                              key=lambda v: v['vcpu'])],
         'switches in the lanes')
    same(sum(n for kind, n in lanes if kind == 'line'),
         sum(line['events'] for line in figures['lines']
             if line['outermost']), 'interrupts in the lanes')
    same(view(found), [0, figures['end-ns'] - figures['begin-ns']], 'view')
    fine(found)


def test_runs_are_right():
    """Runs in the lanes add up to the threads' times of the report."""
    found, figures = opened(events=4000, lost=1)
    sums = found.evaluate('''(() => {
        const sums = {};
        for (const lane of page.lanes.filter((l) => l.kind === 'cpu')) {
            for (let i = 0; i < lane.n; i++) {
                const end = i + 1 < lane.n ? lane.start[i + 1] : page.duration;
                sums[lane.thread[i]] = (sums[lane.thread[i]] || 0) + end - lane.start[i];
            }
        }
        return sums;
    })()''')
    for thread in figures['threads']:
        same(sums[str(thread['thread'])], thread['time-ns'],
             f'time of thread {thread["thread"]}')
    fine(found)


def test_zoom():
    found, _ = opened(events=4000)
    x, y = middle(found)
    whole = span(found)
    time = found.evaluate(f'page.timeAt({x - found.box("#timeline")[0]})')
    for _ in range(5):
        found.wheel(x, y, -200)
    check(span(found) < whole / 5, 'the wheel zooms in')
    again = found.evaluate(f'page.timeAt({x - found.box("#timeline")[0]})')
    check(abs(again - time) < span(found) / 100, 'around the pointer')
    found.wheel(x, y, 2000)
    for _ in range(8):
        found.wheel(x, y, 400)
    same(span(found), whole, 'and out to everything')
    found.click_on('#zoom-in')
    same(span(found), whole / 2, 'the button +')
    found.click_on('#zoom-all')
    same(span(found), whole, 'the button All')
    found.click(x, y)
    for key, factor in (('+', 0.5), ('w', 0.25), ('-', 0.5), ('0', 1)):
        found.key(key)
        same(span(found), whole * factor, f'the key {key}')
    for _ in range(60):
        found.key('+')
    check(span(found) >= 100, 'not beyond 100 ns')
    fine(found)


def test_move():
    found, _ = opened(events=4000)
    x, y = middle(found)
    whole = span(found)
    for _ in range(3):
        found.key('+')
    begin, end = view(found)
    found.key('ArrowRight')
    check(view(found)[0] > begin, 'right')
    found.key('a')
    check(abs(view(found)[0] - begin) < 1, 'and back')
    found.drag(x, y, x - 200, y)
    check(view(found)[0] > begin and abs(span(found) - (end - begin)) < 1,
          'dragging moves')
    found.key('0')
    # along the ruler, dragging chooses a span
    left, top, width, _ = found.box('#timeline')
    found.drag(left + 400, top + 10, left + 600, top + 10)
    wanted = whole * 200 / (width - 190)
    check(abs(span(found) - wanted) < wanted / 20, 'a span is chosen')
    # the overview moves the view, and does not change its span
    box = found.box('#overview')
    before = span(found)
    found.click(box[0] + box[2] - 30, box[1] + 10)
    check(abs(span(found) - before) < 1 and view(found)[1] > whole * 0.9,
          'the overview')
    fine(found)


def chosen_run(found):
    """When it began, and whose it is."""
    return found.evaluate('(({lane, index}) => [lane.start[index], '
                          'lane.thread[index]])(page.state.chosen)')


def test_tooltip_and_choice():
    found, _ = opened(events=4000)
    x, y = middle(found)
    for _ in range(25):
        found.wheel(x, y, -200)
    found.move(x + 1, y)
    tip = found.evaluate('[document.getElementById("tooltip").hidden,'
                         ' document.getElementById("tooltip").textContent]')
    check(not tip[0] and 'vCPU 0, at ' in tip[1], f'{tip}')
    found.click(x + 1, y)
    detail = found.evaluate('document.getElementById("detail").textContent')
    check(detail.startswith(tip[1].split('\n')[0]), f'{detail}')
    # its next run is another one, of the same thread
    first = chosen_run(found)
    found.key(']')
    second = chosen_run(found)
    same(second[1], first[1], 'the same thread')
    check(second[0] > first[0], f'{first}, then {second}')
    found.key('[')
    same(chosen_run(found), first, 'and back')
    found.key('Escape')
    same(found.evaluate('page.state.chosen'), None, 'let go')
    fine(found)


def test_search():
    found, figures = opened(events=4000)
    found.key('/')
    found.type('chrome')
    wanted = sum(t['image'] == 'chrome.exe' for t in figures['threads'])
    text = found.evaluate('document.getElementById("matches").textContent')
    same(text, f'{wanted} threads', 'matches')
    seen = []
    for _ in range(3):
        found.key('Enter')
        label = found.evaluate(
            'page.threadLabel(page.threads.get(page.state.chosen.lane.thread['
            'page.state.chosen.index]))')
        check(label.startswith('chrome.exe'), label)
        seen.append(found.evaluate(
            'page.state.chosen.lane.start[page.state.chosen.index]'))
    check(seen == sorted(seen) and len(set(seen)) == 3, f'{seen}')
    found.key('Escape')
    same(found.evaluate('page.state.matched'), None, 'no search')
    # by number, by line
    tid = figures['threads'][0]['tid']
    found.evaluate(f'page.search("{tid}")')
    check(found.evaluate('page.state.matched.size') >= 1, 'a tid')
    found.evaluate('page.search("ioapic")')
    text = found.evaluate('document.getElementById("matches").textContent')
    check('1 line' in text, text)
    found.evaluate('page.search("nobody at all")')
    text = found.evaluate('document.getElementById("matches").textContent')
    same(text, '0 threads', 'matches')
    fine(found)


def test_legend():
    """A press on a process picks it out: other colours fade."""
    found, figures = opened(events=4000)
    same(found.evaluate('document.querySelectorAll("#legend button").length'),
         len([p for p in figures['processes'] if p['process']]), 'processes')
    before = pixels(found)
    found.click_on('#legend button')
    same(found.evaluate('document.querySelector("#legend button")'
                        '.getAttribute("aria-pressed")'), 'true', 'pressed')
    check(pixels(found) != before, 'nothing has changed')
    found.click_on('#legend button')
    same(found.evaluate('page.state.picked'), None, 'let go')
    fine(found)


def pixels(found):
    found.move(2, 2)
    return found.evaluate('document.getElementById("timeline").toDataURL()')


def test_tables():
    found, figures = opened(events=4000)
    names = found.evaluate('[...document.querySelectorAll("#tabs button")]'
                           '.map((b) => b.textContent)')
    same(len(names), 7, 'tabs')
    for number, name in enumerate(names, 1):
        found.click_on(f'#tabs button:nth-child({number})')
        text = found.evaluate('document.getElementById("panel").textContent')
        check(len(text) > 60, f'{name}: {text}')
        check('undefined' not in text and 'NaN' not in text, f'{name}: {text}')
    found.click_on('#tabs button:nth-child(1)')
    first = '#panel tbody tr:nth-child(1)'
    row = found.evaluate(f'document.querySelector({json.dumps(first)})'
                         '.textContent')
    check(str(figures['threads'][0]['tid']) in row, row)
    # sorted the other way by a press on the heading
    found.click_on('#panel th[aria-sort="descending"] button')
    other = found.evaluate(f'document.querySelector({json.dumps(first)})'
                           '.textContent')
    check(other != row, other)
    found.click_on(first)
    check(found.evaluate('page.state.chosen !== null'), 'a row leads to a run')
    fine(found)


def test_themes():
    _, html = page_of(events=2000)
    found = chromium()
    colours = {}
    for theme in ('light', 'dark'):
        found.prefer(theme)
        found.open(html)
        same(found.evaluate('document.documentElement.dataset.theme'), theme,
             'theme')
        colours[theme] = found.evaluate(
            'getComputedStyle(document.body).backgroundColor')
    check(colours['light'] != colours['dark'], f'{colours}')
    found.key('t')
    same(found.evaluate('getComputedStyle(document.body).backgroundColor'),
         colours['light'], 'the key t')
    same(found.errors, [], 'errors')


def test_hostile_names():
    """Names of a guest are shown, and never obeyed."""
    found, figures = opened(events=4000, hostile=1)
    names = found.evaluate('page.report.processes.map((p) => p.image)')
    check('</script><b>' in names, f'{names}')
    for number in range(7, 0, -1):
        found.click_on(f'#tabs button:nth-child({number})')
    check(found.evaluate('document.querySelectorAll("img, b:not(#detail b), '
                         'svg, iframe").length') == 0, 'elements of a guest')
    text = found.evaluate('document.body.innerText')
    check('\\x1b[31mred' in text, 'a name with an escape in it')
    check(not any(c in text for c in '\x1b\x07\u202e'), 'control characters')
    fine(found)
    check(figures['switches'] > 0, 'there are switches')


def test_nothing_to_show():
    for options in ({'irq': 0}, {'sched': 0}, {'events': 1}):
        found, _ = opened(**{'events': 2000, **options})
        check(found.evaluate('page.lanes.length') >= 1, f'{options}')
        fine(found)
        found.close()


def test_small_window():
    found, _ = opened(events=2000)
    found.resize(360, 640)
    found.drawn()
    check(found.evaluate('document.documentElement.scrollWidth') <= 361,
          'the page is wider than the window')
    fine(found)


def many_events(events):
    """It opens, zooms and finds."""
    found, figures = opened(events=events, threads=2000, vcpus=8)
    # lines that only others' calls raise have no lane of their own
    same(found.evaluate(
        'page.lanes.reduce((n, l) => n + l.n, 0) + '
        'page.report.lines.filter((l) => !l.outermost)'
        '.reduce((n, l) => n + l.events, 0)'), events, 'events')
    x, y = middle(found)
    for _ in range(10):
        found.wheel(x, y, -300)
    found.key('/')
    found.type('compositor')
    found.key('Enter')
    check(found.evaluate('page.state.chosen !== null'), 'found')
    check(figures['switches'] > events // 2, 'there are many')
    fine(found)


def test_many_events():
    many_events(100000)


@full
def test_a_million_events():
    many_events(1000000)


def test_too_many_events():
    path = make_trace(os.path.join(folder(), 't.vms'), events=5100000)
    result = vmscope('report', '--html', path, code=1, raw=True)
    check('--since' in result.err and '5100000' in result.err, result.err)
    vmscope('report', '--html', '--until', '1s', path, raw=True)


def who_preempted_whom():
    """A game, preempted by an antivirus that a disk's interrupt woke."""
    path = script_trace(
        os.path.join(folder(), 't.vms'),
        'line id=0 n=36 path=/machine/peripheral/disk '
        'device=virtio-blk-pci:disk',
        'line id=1 n=3 path=/machine/q35/ioapic/unnamed-gpio-in[3] '
        'device=ioapic',
        'switch ns=0 vcpu=0 thread=0x100 pid=80 tid=84 image=game.exe '
        'priority=8',
        'irq ns=4900000 line=0 level=1 tid=77 caller=0x1234',
        'irq ns=4901000 line=1 level=1 depth=1 tid=77 caller=0x2222',
        'irq ns=4950000 line=0 level=0 tid=77 caller=0x1240',
        'switch ns=5000000 vcpu=0 thread=0x200 pid=90 tid=94 image=scan.exe '
        'priority=13 old=0x100 state=1',
        'switch ns=7000000 vcpu=0 thread=0x100 pid=80 tid=84 image=game.exe '
        'priority=8 old=0x200 state=5 reason=15',
        'end ns=10000000')
    html = path + '.html'
    vmscope('report', '--html', '-o', html, path)
    found = chromium()
    found.open(html)
    return found


def detail(found):
    return found.evaluate('document.getElementById("detail").innerText')


def test_who_preempted_whom():
    """One click on the run: by whom, why, after which interrupt, of whom."""
    found = who_preempted_whom()
    x, y, width, _ = found.box('#timeline')
    at = found.evaluate('page.xAt(6000000)')
    found.click(x + at, y + 40)
    text = ' '.join(detail(found).split())
    check('scan.exe 94' in text, text)
    check('\u2190 game.exe 84 (priority 8), preempted' in text, text)
    check('waited for WrQueue; then game.exe 84 (priority 8)' in text, text)
    check('disk (virtio-blk-pci) \u00b7 message 36' in text or
          'disk (virtio-blk-pci)' in text, text)
    check('100 \u00b5s before, raised by' in text and '0x1234' in text, text)
    # arrows: to the run before, to the interrupt and on to whom it woke
    found.click_on('#detail button.link')
    text = ' '.join(detail(found).split())
    check('preempted by scan.exe 94 (priority 13)' in text, text)
    check('until the end' not in text, text)
    found.evaluate('page.goTo({lane: page.lanes[1], index: 0})')
    text = ' '.join(detail(found).split())
    check('then ran scan.exe 94' in text and '100 \u00b5s later' in text, text)
    same(found.evaluate('page.lanes.length'), 2, 'no lane for what is inside')
    fine(found)


def test_part_in_view():
    """Tables of the part in view, a sum of what is dragged over, and Esc."""
    found = who_preempted_whom()
    found.evaluate('page.clampView(5000000, 1000000)')
    found.click_on('.scope button:nth-child(1)')
    text = found.evaluate('document.getElementById("panel").innerText')
    check('scan.exe' in text and 'game.exe' not in text, text)
    check('100.00 %' in text, text)
    found.key('0')
    found.wait('document.getElementById("panel").innerText'
               '.includes("game.exe")')
    x, y, _, _ = found.box('#timeline')
    found.drag(x + found.evaluate('page.xAt(4000000)'), y + 60,
               x + found.evaluate('page.xAt(8000000)'), y + 60, modifiers=8)
    text = ' '.join(detail(found).split())
    check('Selected: 4.0' in text or 'Selected: 3.9' in text, text)
    check('scan.exe 94: 2.00 ms' in text and '3 interrupts' in text, text)
    found.key('Escape')
    check('Selected' not in detail(found), 'let go')
    found.key('?')
    same(found.evaluate('document.getElementById("help").hidden'), False, '?')
    found.key('Escape')
    same(found.evaluate('document.getElementById("help").hidden'), True,
         'Esc closes help')
    fine(found)


def test_search_lets_n_go_on():
    found = who_preempted_whom()
    found.key('/')
    found.type('game')
    found.key('Enter')
    found.key('n')
    same(found.evaluate('document.getElementById("search").value'), 'game',
         'n is no letter of the search')
    check(found.evaluate('page.state.chosen.lane.start[page.state.chosen'
                         '.index]') == 7000000, 'the next one')
    fine(found)


def test_ticks():
    """Windows' ticks below a vCPU's lane, what the host took in red on top."""
    path = script_trace(
        os.path.join(folder(), 't.vms'),
        'switch ns=0 vcpu=0 thread=0x100 pid=4 tid=8 image=a',
        'switch ns=0 vcpu=1 thread=0x200 pid=4 tid=9 image=a',
        'host vcpu=0 from=0 ns=10000000 run=5000000 wait=5000000',
        'ticks vcpu=0 from=0 ns=10000000 user=3 irqs=64',
        'ticks vcpu=0 from=10000000 ns=20000000 dpc=3',
        'end ns=20000000')
    html = path + '.html'
    vmscope('report', '--html', '-o', html, path)
    found = chromium()
    found.open(html)
    fine(found)
    same(found.evaluate('page.lanes[0].ticks.n'), 2, 'spans')
    same(found.evaluate('!page.lanes[1].ticks'), True, 'a lane without')
    same(found.evaluate('page.lanes[1].y - page.lanes[0].y > '
                        'page.lanes[0].height'), True, 'room for the strip')
    colours = found.evaluate("""(() => {
        const at = (ns, y) => {
            const ratio = window.devicePixelRatio || 1;
            const lane = page.lanes[0];
            const canvas = document.getElementById('timeline');
            return Array.from(canvas.getContext('2d').getImageData(
                Math.round(page.xAt(ns) * ratio),
                Math.round((lane.y + lane.height + y) * ratio),
                1, 1).data).slice(0, 3).join();
        };
        return [at(5e6, 3), at(5e6, 12), at(15e6, 3), at(15e6, 12)];
    })()""")
    same(colours, ['193,18,31', '86,180,233', '230,159,0', '230,159,0'],
         'the host, user mode, DPCs')
    check("Windows' ticks" in found.evaluate(
        "document.getElementById('legend').textContent"), 'legend')


def test_host():
    """Time without a CPU of the host is seen in the lane, and told of."""
    path = script_trace(
        os.path.join(folder(), 't.vms'),
        'switch ns=0 vcpu=0 thread=0x100 pid=4 tid=8 image=a',
        'host vcpu=0 from=0 ns=10000000 run=10000000',
        'host vcpu=0 from=10000000 ns=20000000 run=1000000 wait=9000000',
        'switch ns=20000000 vcpu=0 thread=0x200 pid=4 tid=9 image=a',
        'host vcpu=0 from=20000000 ns=30000000 wait=20000000',
        'end ns=40000000')
    html = path + '.html'
    vmscope('report', '--html', '-o', html, path)
    found = chromium()
    found.open(html)
    fine(found)
    same(found.evaluate('page.lanes[0].host.n'), 3, 'spans')
    # The last one began within its span: what is before has an owner.
    same(found.evaluate('Array.from(page.lanes[0].host.start)'),
         [0, 10000000, 20000000], 'begins')
    same(found.evaluate('page.waitedBefore(page.lanes[0].host, 15000000)'), 4500000,
         'in the middle of a span')
    same(found.evaluate('page.waitedBefore(page.lanes[0].host, 40000000)'), 29000000,
         'all of it')
    told = found.evaluate(
        'page.describe({ lane: page.lanes[0], index: 0 })')
    check('no CPU of the host for about 9.00 ms' in told, told)
    red = found.evaluate("""(() => {
        const at = (ns) => {
            const ratio = window.devicePixelRatio || 1;
            const lane = page.lanes[0];
            const canvas = document.getElementById('timeline');
            return Array.from(canvas.getContext('2d').getImageData(
                Math.round(page.xAt(ns) * ratio), Math.round((lane.y + 5) * ratio),
                1, 1).data).slice(0, 3).join();
        };
        return [at(5e6), at(15e6)];
    })()""")
    same(red[1], '193,18,31', 'colour of a wait')
    check(red[0] != red[1], f'{red}')
    check('no CPU of the host' in found.evaluate(
        "document.getElementById('legend').textContent"), 'legend')
