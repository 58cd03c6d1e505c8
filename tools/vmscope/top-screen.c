/*
 * top-screen: vmscope top on a terminal.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "colour.h"
#include "commands.h"
#include "common/message.h"
#include "common/stop.h"
#include "qmp-wait.h"
#include "top-page.h"

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
    char note[128];             /* shown until the next key */
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
    attrset(attributes(screen, line->style));
    if (line->style == LINE_COLUMNS) {
        mvhline(y, 0, ' ' | A_REVERSE, COLS);
    }
    mvaddstr(y, 0, line->text);
    attrset(A_NORMAL);
}

static const char *prompt_text(Prompt prompt)
{
    return prompt == PROMPT_FILTER ? "filter: " : "delay: ";
}

static void draw_last(const Screen *screen)
{
    static const char keys[] = "q quit  h help  t processes  i irq  "
                               "/ filter  space pause  c s p n sort";
    const Top *top = screen->top;
    size_t i;

    move(LINES - 1, 0);
    if (screen->prompt) {
        addstr(prompt_text(screen->prompt));
        for (i = 0; i < screen->n_typed; i++) {
            addnwstr(&screen->typed[i], 1);
        }
        return;
    }
    if (*screen->note) {
        addnstr(screen->note, COLS - 1);
    } else if (screen->paused) {
        addnstr("paused: space goes on", COLS - 1);
    } else if (*top->view.filter) {
        addnstr("filter: ", COLS - 1);
        addnstr(top->view.filter, COLS > 9 ? COLS - 9 : 0);
    } else {
        addnstr(keys, COLS - 1);
    }
}

static void draw(Screen *screen)
{
    int height = LINES > 1 ? LINES - 1 : 1;
    size_t i;

    page_begin(&screen->page, (unsigned)COLS, (unsigned)height);
    if (screen->help) {
        top_help_page(&screen->page);
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
        top->view.scroll = 0;
        choose(screen);
    } else if (options_duration(text, &ns) && ns >= 50000000 &&
               ns <= 3600000000000) {
        top->opt.delay_ns = ns;
        screen->next_ns = wait_now_ns() + ns;
    } else {
        snprintf(screen->note, sizeof(screen->note),
                 "'%.40s' is no time from 50ms to 1h", text);
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

static void sort_by(Screen *screen, TopSort sort)
{
    screen->top->view.sort = sort;
    screen->top->view.scroll = 0;
    choose(screen);
}

static void scroll_by(Screen *screen, long rows)
{
    size_t *scroll = &screen->top->view.scroll;

    if (rows < 0 && *scroll < (size_t)-rows) {
        *scroll = 0;
    } else {
        *scroll += (size_t)rows;    /* put right when it is drawn */
    }
}

static void special_key(Screen *screen, wint_t key)
{
    long page = LINES > 10 ? LINES / 2 : 5;

    switch (key) {
    case KEY_UP:
        scroll_by(screen, -1);
        break;
    case KEY_DOWN:
        scroll_by(screen, 1);
        break;
    case KEY_PPAGE:
        scroll_by(screen, -page);
        break;
    case KEY_NPAGE:
        scroll_by(screen, page);
        break;
    case KEY_HOME:
        screen->top->view.scroll = 0;
        break;
    case KEY_END:
        screen->top->view.scroll = screen->top->rows.n;
        break;
    default:
        break;
    }
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

    top->view.irq = !top->view.irq;
    if (!top->view.irq || !top->irq_known) {
        return true;
    }
    irq_rates_clear(&top->rates);
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
        view->processes = !view->processes;
        view->scroll = 0;
        choose(screen);
        break;
    case '/':
        begin_prompt(screen, PROMPT_FILTER);
        break;
    case 'd':
        begin_prompt(screen, PROMPT_DELAY);
        break;
    case 0x1b:
        screen->help = false;
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
    if (screen->prompt) {
        type_key(screen, key, special);
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
        strcpy(screen.note, "the trace was off: it is on until you quit");
    }
    good = loop(&screen, &err);
    end(&screen);
    if (!good) {
        message("%s", err.text);
        return EXIT_FAILED;
    }
    return EXIT_FINE;
}
