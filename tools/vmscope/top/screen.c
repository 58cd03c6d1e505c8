/*
 * top-screen: vmscope top on a terminal.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"
#include "common/message.h"
#include "common/stop.h"
#include "common/translate.h"
#include "shared/colour.h"
#include "shared/display.h"
#include "source/qmp-wait.h"
#include "top/page.h"

#include <curses.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longest wait for a key: signals are looked at in between. */
enum { KEY_WAIT_MS = 200 };

/* What is being typed into the last line. */
typedef enum Prompt {
    PROMPT_NONE,
    PROMPT_FILTER,
    PROMPT_DELAY,
    PROMPT_IRQ,                 /* a question: y or n */
} Prompt;

typedef struct Screen {
    Top *top;
    Page page;
    SCREEN *terminal;
    bool colour;
    bool paused;
    bool help;
    bool quit;
    bool dirty;                 /* to be drawn again */
    Prompt prompt;
    wchar_t typed[(TOP_FILTER_MAX - 1) / 4];    /* 4 bytes each in UTF-8 */
    size_t n_typed;
    char note[512];             /* shown until the next key */
    uint64_t next_ns;           /* when the interval ends */
    uint64_t done;              /* intervals */
} Screen;

/* Drawing. */

enum { PAIR_RUNNING = 1, PAIR_ALARM, PAIR_TITLE };

static void begin_colours(Screen *screen)
{
    screen->colour = colour_wanted(STDOUT_FILENO) && has_colors();
    if (!screen->colour) {
        return;
    }
    start_color();
    use_default_colors();
    init_pair(PAIR_RUNNING, COLOR_GREEN, -1);
    init_pair(PAIR_ALARM, COLOR_RED, -1);
    init_pair(PAIR_TITLE, COLOR_CYAN, -1);
}

static attr_t attributes(const Screen *screen, LineStyle style)
{
    bool colour = screen->colour;

    switch (style) {
    case LINE_TITLE:
        return A_BOLD | (colour ? COLOR_PAIR(PAIR_TITLE) : 0);
    case LINE_COLUMNS:
        return A_REVERSE;
    case LINE_RUNNING:
        return colour ? COLOR_PAIR(PAIR_RUNNING) : A_BOLD;
    case LINE_QUIET:
        return A_DIM;
    case LINE_ALARM:
        return A_BOLD | (colour ? COLOR_PAIR(PAIR_ALARM) : 0);
    default:
        return A_NORMAL;
    }
}

static void draw_line(const Screen *screen, int y, const PageLine *line)
{
    attrset(attributes(screen, line->style) |
            (line->selected ? A_REVERSE : 0));
    if (line->style == LINE_COLUMNS || line->selected) {
        mvhline(y, 0, ' ' | A_REVERSE, COLS);
    }
    mvaddstr(y, 0, line->text);
    attrset(A_NORMAL);
}

static const char *prompt_text(Prompt prompt)
{
    return prompt == PROMPT_FILTER ? _("filter: ") :
           prompt == PROMPT_DELAY ? _("delay: ") :
           _("the IRQ log is off: turn it on until you quit? y/n ");
}

/* Cut by columns, not by bytes. */
static void add_fitting(const char *text)
{
    char fitting[DISPLAY_ROOM(PAGE_COLUMNS_MAX)];
    int columns = COLS > PAGE_COLUMNS_MAX ? PAGE_COLUMNS_MAX : COLS - 1;

    display_fit(fitting, text, columns > 0 ? (unsigned)columns : 1);
    addstr(fitting);
}

/* The filter is in sight as long as there is one. */
static void draw_keys(const Screen *screen)
{
    const char *keys = _("q quit  h help  t tree  enter open  i irq  "
                         "/ filter  space pause  c s p n sort");
    const char *thread_keys = _("esc back  q quit  space pause");
    const Top *top = screen->top;
    char line[TOP_FILTER_MAX + 512];

    snprintf(line, sizeof(line), "%s%s%s%s",
             screen->paused ? _("paused: space goes on  ") : "",
             *top->view.filter ? _("filter: ") : "", top->view.filter,
             screen->paused || *top->view.filter ? "" :
             top->thread.open ? thread_keys : keys);
    add_fitting(line);
}

static void draw_last(const Screen *screen)
{
    size_t i;

    move(LINES - 1, 0);
    if (screen->prompt) {
        add_fitting(prompt_text(screen->prompt));
        for (i = 0; i < screen->n_typed; i++) {
            addnwstr(&screen->typed[i], 1);
        }
    } else if (*screen->note) {
        add_fitting(screen->note);
    } else {
        draw_keys(screen);
    }
}

static void draw(Screen *screen)
{
    int height = LINES > 1 ? LINES - 1 : 1;
    size_t i;

    page_begin(&screen->page, (unsigned)COLS, (unsigned)height);
    if (screen->help) {
        top_help_page(&screen->page);
    } else if (screen->top->thread.open) {
        top_thread_page(screen->top, &screen->page);
    } else {
        top_page(screen->top, &screen->page);
    }
    erase();
    for (i = 0; i < screen->page.n && i < (size_t)height; i++) {
        draw_line(screen, (int)i, &screen->page.lines[i]);
    }
    if (LINES > 1) {
        draw_last(screen);
    }
    curs_set(screen->prompt != PROMPT_NONE);
    refresh();
    screen->dirty = false;
}

static void choose(Screen *screen)
{
    top_choose_rows(screen->top);
    screen->dirty = true;
}

/* Typing. */

static void typed_text(const Screen *screen, char *text, size_t size)
{
    mbstate_t state;
    size_t used = 0;
    size_t len;
    size_t i;

    memset(&state, 0, sizeof(state));
    for (i = 0; i < screen->n_typed && size - used > MB_LEN_MAX; i++) {
        len = wcrtomb(text + used, screen->typed[i], &state);
        used += len == (size_t)-1 ? 0 : len;
    }
    text[used] = '\0';
}

static void take_typed(Screen *screen)
{
    Top *top = screen->top;
    char text[TOP_FILTER_MAX + MB_LEN_MAX] = "";
    uint64_t ns;

    typed_text(screen, text, sizeof(text));
    if (screen->prompt == PROMPT_FILTER) {
        memcpy(top->view.filter, text, TOP_FILTER_MAX - 1);
        top_select_first(top);
        choose(screen);
    } else if (options_duration(text, &ns) && ns >= 50000000 &&
               ns <= 3600000000000) {
        top->opt.delay_ns = ns;
        screen->next_ns = wait_now_ns() + ns;
    } else {
        snprintf(screen->note, sizeof(screen->note),
                 _("'%.40s' is no time from 50ms to 1h"), text);
    }
    screen->prompt = PROMPT_NONE;
}

static void type_key(Screen *screen, wint_t key, bool special)
{
    bool back = special ? key == KEY_BACKSPACE : key == 8 || key == 0x7f;

    screen->dirty = true;
    if (back) {
        screen->n_typed -= screen->n_typed > 0;
    } else if (special ? key == KEY_ENTER : key == '\n' || key == '\r') {
        take_typed(screen);
    } else if (!special && key == 0x1b) {
        screen->prompt = PROMPT_NONE;
    } else if (!special && key >= 0x20 &&
               screen->n_typed < sizeof(screen->typed) /
                                 sizeof(*screen->typed)) {
        screen->typed[screen->n_typed++] = (wchar_t)key;
    }
}

static void begin_prompt(Screen *screen, Prompt prompt)
{
    screen->prompt = prompt;
    screen->n_typed = 0;
}

/* Keys. */

/* In its usual order: r is for the order that was there. */
static void sort_by(Screen *screen, TopSort sort)
{
    screen->top->view.sort = sort;
    screen->top->view.reverse = false;
    top_select_first(screen->top);
    choose(screen);
}

static void select_by(Screen *screen, long rows)
{
    size_t selected = screen->top->view.selected;

    if (rows < 0 && selected < (size_t)-rows) {
        top_select(screen->top, 0);
    } else {
        top_select(screen->top, selected + (size_t)rows);
    }
}

/* The list moves, and the marked row keeps its place on the screen. */
static void page_by(Screen *screen, long rows)
{
    size_t *scroll = &screen->top->view.scroll;

    if (rows < 0) {
        *scroll -= *scroll < (size_t)-rows ? *scroll : (size_t)-rows;
    } else {
        *scroll += (size_t)rows;        /* put right when it is drawn */
    }
    select_by(screen, rows);
}

static void show_as(Screen *screen, bool tree, bool processes)
{
    screen->top->view.tree = tree;
    screen->top->view.processes = processes;
    choose(screen);
}

/* Threads, a tree, processes, and threads again. */
static void next_shape(Screen *screen)
{
    const TopView *view = &screen->top->view;

    top_select_first(screen->top);
    show_as(screen, !view->tree && !view->processes, view->tree);
}

static bool open_thread(Screen *screen, const TopRow *row, Err *err)
{
    Top *top = screen->top;
    char name[512];

    top_row_name(top, row, name, sizeof(name));
    thread_view_open(&top->thread, row->thread, name);
    return top_update_thread(top, err);
}

/* A thread is opened, a process in the tree folded; a list becomes a tree. */
static bool open_row(Screen *screen, Err *err)
{
    Top *top = screen->top;
    const TopRow *row = top_selected(top);

    if (top->thread.open) {
        thread_view_close(&top->thread);
    } else if (row && !row->process) {
        return open_thread(screen, row, err);
    } else if (row) {
        top_fold(top, row, top->view.tree && !top_is_folded(top, row));
        top_select(top, top->view.selected);
        show_as(screen, true, false);
    }
    return true;
}

static void special_key(Screen *screen, wint_t key)
{
    Top *top = screen->top;
    long page = top->view.visible > 1 ? (long)top->view.visible - 1 : 1;

    switch (key) {
    case KEY_UP:
        select_by(screen, -1);
        break;
    case KEY_DOWN:
        select_by(screen, 1);
        break;
    case KEY_PPAGE:
        page_by(screen, -page);
        break;
    case KEY_NPAGE:
        page_by(screen, page);
        break;
    case KEY_HOME:
        top_select_first(top);
        break;
    case KEY_END:
        top_select(top, top->rows.n);
        break;
    default:
        break;
    }
}

/* Mouse. */

/* A second click on a head turns the order round. */
static void click_head(Screen *screen, const char *heads, int column)
{
    TopView *view = &screen->top->view;
    TopSort sort;

    if (!top_head_at(heads, (size_t)column, &sort)) {
        return;
    }
    if (sort == view->sort) {
        view->reverse = !view->reverse;
        choose(screen);
    } else {
        sort_by(screen, sort);
    }
}

static bool click(Screen *screen, size_t y, int column, Err *err)
{
    const Page *page = &screen->page;
    Top *top = screen->top;
    size_t index;

    if (y == page->heads && y < page->n) {
        click_head(screen, page->lines[y].text, column);
    } else if (y > page->heads && y - page->heads <= page->n_rows) {
        index = top->view.scroll + y - page->heads - 1;
        if (top->view.key.given && index == top->view.selected) {
            return open_row(screen, err);
        }
        top_select(top, index);
    }
    return true;
}

static bool take_mouse(Screen *screen, Err *err)
{
    MEVENT event;

    if (getmouse(&event) != OK || screen->help || event.y < 0) {
        return true;
    }
    if (event.bstate & BUTTON4_PRESSED) {
        select_by(screen, -3);
    } else if (event.bstate & BUTTON5_PRESSED) {
        select_by(screen, 3);
    } else if (event.bstate & BUTTON1_PRESSED) {
        return screen->top->thread.open ? open_row(screen, err)
               : click(screen, (size_t)event.y, event.x, err);
    }
    return true;
}

/* Standing still is not counted: what comes after begins anew. */
static bool toggle_pause(Screen *screen, Err *err)
{
    screen->paused = !screen->paused;
    if (screen->paused) {
        return true;
    }
    screen->next_ns = wait_now_ns() + screen->top->opt.delay_ns;
    return top_restart(screen->top, err);
}

/* Interrupts up to now are not of the next interval. */
static bool toggle_irqs(Screen *screen, Err *err)
{
    Top *top = screen->top;

    if (top->irq_known && !irq_feed_skip(&top->irq, err)) {
        return false;
    }
    irq_rates_clear(&top->rates);
    top->irq_on = top->irq_known && irq_feed_is_on(&top->irq);
    if (top->irq_known && !top->irq_on) {
        top->view.irq = true;
        begin_prompt(screen, PROMPT_IRQ);
    } else {
        top->view.irq = !top->view.irq;
    }
    return true;
}

/* The answer to the question whether to turn the log on. */
static bool answer_irqs(Screen *screen, wint_t key, Err *err)
{
    Top *top = screen->top;

    screen->prompt = PROMPT_NONE;
    if (key != 'y' && key != 'Y') {
        top->view.irq = false;
        return true;
    }
    if (!tracing_turn_on(&top->irq_tracing, top->qmp, TRACING_IRQ, NULL,
                         err)) {
        snprintf(screen->note, sizeof(screen->note), "%s", err->text);
        return qmp_alive(top->qmp);
    }
    top->irq_on = true;
    return irq_feed_skip(&top->irq, err);
}

static void plain_key(Screen *screen, wint_t key)
{
    TopView *view = &screen->top->view;

    switch (key) {
    case 'q':
        screen->quit = true;
        break;
    case 'h':
    case '?':
        screen->help = !screen->help;
        break;
    case 'c':
        sort_by(screen, TOP_CPU);
        break;
    case 's':
        sort_by(screen, TOP_SWITCHES);
        break;
    case 'p':
        sort_by(screen, TOP_PID);
        break;
    case 'n':
        sort_by(screen, TOP_NAME);
        break;
    case 'r':
        view->reverse = !view->reverse;
        choose(screen);
        break;
    case 't':
        next_shape(screen);
        break;
    case '/':
        begin_prompt(screen, PROMPT_FILTER);
        break;
    case 'd':
        begin_prompt(screen, PROMPT_DELAY);
        break;
    case 0x1b:
        if (screen->help) {
            screen->help = false;
        } else {
            thread_view_close(&screen->top->thread);
        }
        break;
    default:
        break;
    }
}

static bool take_key(Screen *screen, wint_t key, bool special, Err *err)
{
    screen->dirty = true;
    *screen->note = '\0';
    if (special && key == KEY_RESIZE) {
        return true;
    }
    if (screen->prompt == PROMPT_IRQ) {
        return answer_irqs(screen, special ? 0 : key, err);
    } else if (screen->prompt) {
        type_key(screen, key, special);
    } else if (special && key == KEY_MOUSE) {
        return take_mouse(screen, err);
    } else if (special ? key == KEY_ENTER : key == '\n' || key == '\r') {
        return screen->help || open_row(screen, err);
    } else if (special) {
        special_key(screen, key);
    } else if (key == ' ') {
        return toggle_pause(screen, err);
    } else if (key == 'i') {
        return toggle_irqs(screen, err);
    } else {
        plain_key(screen, key);
    }
    return true;
}

/* Time and keys. */

static int wait_ms(const Screen *screen)
{
    uint64_t now = wait_now_ns();
    uint64_t ms;

    if (screen->paused) {
        return KEY_WAIT_MS;
    }
    ms = screen->next_ns > now ? (screen->next_ns - now) / 1000000 + 1 : 0;
    return ms < KEY_WAIT_MS ? (int)ms : KEY_WAIT_MS;
}

static bool listen(Screen *screen, Err *err)
{
    wint_t key;
    int kind;

    timeout(wait_ms(screen));
    kind = get_wch(&key);
    return kind == ERR || take_key(screen, key, kind == KEY_CODE_YES, err);
}

static bool update(Screen *screen, Err *err)
{
    Top *top = screen->top;

    if (screen->paused || wait_now_ns() < screen->next_ns) {
        return true;
    }
    if (!top_update(top, err)) {
        return false;
    }
    screen->next_ns = wait_now_ns() + top->opt.delay_ns;
    screen->done++;
    if (top->opt.iterations && screen->done >= top->opt.iterations) {
        screen->quit = true;
    }
    choose(screen);
    return true;
}

static bool loop(Screen *screen, Err *err)
{
    choose(screen);
    while (!screen->quit && !stop_asked) {
        if (screen->dirty) {
            draw(screen);
        }
        if (!listen(screen, err) || !update(screen, err)) {
            return stop_asked;
        }
    }
    return true;
}

/* Beginning and end. */

static void restore_terminal(void)
{
    if (!isendwin()) {
        endwin();
    }
}

static bool begin(Screen *screen)
{
    screen->terminal = newterm(NULL, stdout, stdin);
    if (!screen->terminal) {
        message("the terminal type '%s' is not known: set TERM, or use "
                "--batch", getenv("TERM") ? getenv("TERM") : "");
        return false;
    }
    atexit(restore_terminal);
    begin_colours(screen);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    set_escdelay(50);
    mouseinterval(0);
    mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
    return true;
}

static void end(Screen *screen)
{
    restore_terminal();
    page_release(&screen->page);
}

int top_screen(Top *top)
{
    static Screen screen;
    bool good;
    Err err;

    screen.top = top;
    if (!begin(&screen)) {
        return EXIT_FAILED;
    }
    /* The first look soon, so that there is something to see. */
    screen.next_ns = wait_now_ns() + (top->opt.delay_ns < 500000000
                                      ? top->opt.delay_ns : 500000000);
    if (top->tracing.turned_on) {
        snprintf(screen.note, sizeof(screen.note), "%s",
                 _("the trace was off: it is on until you quit"));
    }
    good = loop(&screen, &err);
    end(&screen);
    if (!good) {
        message("%s", err.text);
        return EXIT_FAILED;
    }
    return EXIT_FINE;
}
