"""The page of vmscope report --html, in a headless Chromium.

Clicks, keys and the wheel are real ones; what the page has understood is
asked of its object "page", what it shows of its elements and pixels.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os

import browser
from rig import (Skip, at_end, check, folder, make_trace, report, same,
                 vmscope)

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
         figures['interrupts'], 'interrupts in the lanes')
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
    check('\u241b[31mred' in text, 'a name with an escape in it')
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


def test_a_million_events():
    """It opens, zooms and finds with 1,000,000 events."""
    found, figures = opened(events=1000000, threads=2000, vcpus=8)
    same(found.evaluate('page.lanes.reduce((n, l) => n + l.n, 0)'),
         1000000, 'events')
    x, y = middle(found)
    for _ in range(10):
        found.wheel(x, y, -300)
    found.key('/')
    found.type('compositor')
    found.key('Enter')
    check(found.evaluate('page.state.chosen !== null'), 'found')
    check(figures['switches'] > 500000, 'there are many')
    fine(found)


def test_too_many_events():
    path = make_trace(os.path.join(folder(), 't.vms'), events=5100000)
    result = vmscope('report', '--html', path, code=1, raw=True)
    check('--since' in result.err and '5100000' in result.err, result.err)
    vmscope('report', '--html', '--until', '1s', path, raw=True)
