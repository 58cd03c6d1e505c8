/*
 * top-page: the lines that vmscope top shows.
 *
 * Laying out alone: each line fits the columns there are, whatever the guest
 * calls its threads.  A terminal and a pipe get the same lines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TOP_PAGE_H
#define VMSCOPE_TOP_PAGE_H

#include "top/top.h"

typedef enum LineStyle {
    LINE_PLAIN,
    LINE_TITLE,
    LINE_COLUMNS,       /* heads of columns */
    LINE_RUNNING,       /* a thread that runs now */
    LINE_QUIET,         /* an idle vCPU */
    LINE_ALARM,         /* something is not as it should be */
} LineStyle;

typedef struct PageLine {
    LineStyle style;
    bool selected;
    char *text;
} PageLine;

/* Bytes of a line before it is cut. */
enum { LINE_MAX_BYTES = 2048 };

typedef struct Page {
    unsigned columns;
    unsigned height;            /* lines to fill; 0: as many as there are */
    PageLine *lines;
    size_t n;
    size_t room;
    size_t heads;               /* line of the heads of the threads' table */
    size_t n_rows;              /* lines below that are rows of it */
} Page;

/* Columns a page may have: what is wider is left blank. */
enum { PAGE_COLUMNS_MAX = 400 };

/* Forget the lines; what size the next ones are for. */
void page_begin(Page *page, unsigned columns, unsigned height);
void page_release(Page *page);

/* A line, cut to fit. */
void page_line(Page *page, LineStyle style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * top_page - lay out everything but the last line, which is for keys
 *
 * top_choose_rows() has been called.  Corrects top->view.scroll to what there
 * is to see.
 */
void top_page(Top *top, Page *page);

/**
 * top_put_vcpus - the lines that say what each vCPU does
 * @spare: lines that nothing else needs; a quarter of the page is theirs
 */
void top_put_vcpus(const Top *top, Page *page, size_t spare);

/* The view of one thread, top->thread. */
void top_thread_page(const Top *top, Page *page);

/**
 * top_head_at - what a click on the heads of the table means
 * @text: the line of heads
 * @column: where it was clicked
 * @sort: receives the order
 *
 * Returns: false where there is nothing to sort by
 */
bool top_head_at(const char *text, size_t column, TopSort *sort);

/* The page that explains the keys. */
void top_help_page(Page *page);

/* A length of time for people: "850 us", "12.3 ms", "2 m 03 s". */
void top_time(uint64_t ns, char *text, size_t size);

#endif
