/*
 * Answer the commands of the scheduler trace for a QEMU that has none.
 *
 *   attach-answer QMP-SOCKET | pid=PID  [map=0]
 *
 * Reads a command of QMP a line, writes its answer as a line.  As vmscope
 * does, QEMU's process is looked at from outside.  map=0 reads RAM through
 * the process even where it could be mapped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/memory.h"
#include "source/qmp.h"

#include "common/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(Qmp *qmp, const char *line)
{
    json_t *request = json_loads(line, 0, NULL);
    json_t *arguments = json_object_get(request, "arguments");
    const char *name = qmp_text(request, "execute", "");
    json_t *result;
    json_t *message;
    Err err = { 0 };
    char *text;

    result = qmp_command(qmp, name, json_incref(arguments), &err);
    message = result
        ? json_pack("{s:o}", "return", result)
        : json_pack("{s:{s:s, s:s}}", "error", "class", "GenericError",
                    "desc", err.text);
    text = json_dumps(message, JSON_COMPACT);
    puts(text ? text : "{\"error\": {\"desc\": \"an answer that is no "
                       "JSON\"}}");
    fflush(stdout);
    free(text);
    json_decref(message);
    json_decref(request);
}

int main(int argc, char **argv)
{
    ConnectOptions options = { .attach = true };
    char *line = NULL;
    size_t size = 0;
    Qmp *qmp;
    Err err;

    message_begin("attach-answer");
    if (argc < 2) {
        message("give a QMP socket or pid=PID");
        return 2;
    }
    if (!strncmp(argv[1], "pid=", 4)) {
        options.pid = strtoull(argv[1] + 4, NULL, 10);
    } else {
        options.qmp = argv[1];
    }
    attach_memory_may_map = argc < 3 || strcmp(argv[2], "map=0");
    qmp = qmp_connect(&options, &err);
    if (!qmp) {
        message("%s", err.text);
        return 1;
    }
    while (getline(&line, &size, stdin) > 0) {
        answer(qmp, line);
    }
    free(line);
    qmp_free(qmp);
    return 0;
}
