/*
 * irqlog-analyze: say who raised each interrupt in a log of QEMU's.
 *
 * Bytes come from input.c, become items in core/irqlog/parse.c or ring.c, meet
 * names and filters in session.c and leave through a view.  Here is what the
 * program as a whole promises: messages and exit codes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/stop.h"
#include "common/translate.h"
#include "input.h"
#include "message.h"
#include "options.h"
#include "ring.h"
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_WRONG_USAGE = 2 };

/* Everything large, off the stack. */
typedef struct Program {
    Options opt;
    Out out;
    Session session;
    IrqlogParser parser;
    uint64_t bytes;             /* read from a text log */
} Program;

/* Text logs. */

static bool take_input(Program *program, InputResult result,
                       const char *data, size_t len)
{
    switch (result) {
    case INPUT_DATA:
        program->bytes += len;
        return irqlog_parser_feed(&program->parser, data, len);
    case INPUT_IDLE:
        return irqlog_parser_flush(&program->parser) &&
               out_flush(&program->out);
    case INPUT_RESTART:
        return irqlog_parser_finish(&program->parser);
    default:
        return false;
    }
}

/* Returns: false, with a sentence, when reading failed on the way. */
static bool read_text(Program *program, Input *input, Err *err)
{
    InputResult result;
    const char *data;
    size_t len = 0;

    irqlog_parser_init(&program->parser, session_item, &program->session);
    do {
        result = input_read(input, &data, &len, err);
    } while (take_input(program, result, data, len));
    if (!stop_asked) {
        irqlog_parser_finish(&program->parser);
    } else {
        irqlog_parser_flush(&program->parser);
    }
    return result != INPUT_FAILED;
}

static void tell_bad(const char *name, const IrqlogParseStats *stats)
{
    uint64_t i;

    if (!stats->bad) {
        return;
    }
    warn(WARN_EACH, "%s: %" PRIu64 " malformed, left out:", name, stats->bad);
    for (i = 0; i < stats->bad && i < IRQLOG_BAD_MAX; i++) {
        fprintf(stderr, _("  line %" PRIu64 ": %s\n"), stats->bad_line[i],
                stats->bad_why[i]);
    }
    if (stats->bad > IRQLOG_BAD_MAX) {
        fprintf(stderr, _("  and %" PRIu64 " more\n"),
                stats->bad - IRQLOG_BAD_MAX);
    }
}

static void tell_end(const char *name, const IrqlogParseStats *stats)
{
    if (stats->cut) {
        warn(WARN_EACH, "%s: %" PRIu64 " cut short by the end of the log, "
             "left out", name, stats->cut);
    } else if (stats->unended && stats->items) {
        warn(WARN_EACH, "%s: the last line has no end, it may be incomplete",
             name);
    }
}

/* Whether anything could be read; says what could not. */
static bool judge_text(const Program *program, const char *name)
{
    const IrqlogParseStats *stats = &program->parser.stats;

    tell_bad(name, stats);
    tell_end(name, stats);
    if (stats->items > stats->refused || stop_asked) {
        return true;
    }
    if (!program->bytes) {
        warn(WARN_EACH, "%s is empty", name);
        return true;
    }
    if (!stats->refused) {
        warn(WARN_EACH, "%s: nothing in it can be read as an interrupt log",
             name);
    }
    return false;
}

static int read_log(Program *program, Input *input)
{
    bool used;
    bool complete;
    Err err;

    if (ring_is_ring(input)) {
        used = ring_read(input, session_item, session_idle,
                         &program->session, &complete, &err);
    } else {
        complete = read_text(program, input, &err);
        used = out_failed(&program->out) ||
               judge_text(program, input_name(input));
    }
    if (!complete) {
        warn(WARN_EACH, "%s", err.text);
    }
    return used ? EXIT_FINE : EXIT_FAILED;
}

/* A reader that has gone, as head does, is no failure. */
static int finish_output(Program *program, int status)
{
    Out *out = &program->out;

    out_flush(out);
    if (!out->error && close(STDOUT_FILENO)) {
        out->error = errno;
    }
    if (!out->error || out->error == EPIPE) {
        return status;
    }
    warn(WARN_EACH, "cannot write to standard output: %s",
         strerror(out->error));
    return EXIT_FAILED;
}

static int run(Program *program)
{
    const Options *opt = &program->opt;
    Input *input;
    Err err;
    int status;

    input = input_new(opt->log, opt->follow, &err);
    if (!input) {
        warn(WARN_EACH, "%s", err.text);
        return err.code == ERR_USAGE ? EXIT_WRONG_USAGE : EXIT_FAILED;
    }
    out_init(&program->out, STDOUT_FILENO);
    session_begin(&program->session, opt, &program->out);
    status = read_log(program, input);
    session_end(&program->session);
    if (stop_asked && !opt->follow) {
        warn(WARN_EACH, "interrupted: this is not all of %s",
             input_name(input));
        status = EXIT_FAILED;
    }
    input_free(input);
    return finish_output(program, status);
}

int main(int argc, char **argv)
{
    static Program program;

    translate_begin();
    stop_init();
    switch (command_line_read(&program.opt, argc, argv)) {
    case OPTIONS_DONE:
        return EXIT_FINE;
    case OPTIONS_WRONG:
        return EXIT_WRONG_USAGE;
    default:
        return run(&program);
    }
}
