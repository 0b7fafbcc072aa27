// Swift cannot call functions with variable arguments: the calls of libedit that are needed, with fixed ones.
#ifndef APUS_CEDIT_SHIM_H
#define APUS_CEDIT_SHIM_H

#include <histedit.h>
#include <stdio.h>

// An editor on standard input that draws on standard output, or else on standard error.
static inline EditLine *apus_edit_open(const char *program, int drawsOnError) {
    return el_init(program, stdin, drawsOnError ? stderr : stdout, stderr);
}

static inline int apus_edit_set_prompt(EditLine *editor, char *(*prompt)(EditLine *)) {
    return el_set(editor, EL_PROMPT, prompt);
}

static inline int apus_edit_set_editor(EditLine *editor, const char *name) { return el_set(editor, EL_EDITOR, name); }

static inline int apus_edit_set_signals(EditLine *editor, int areHandled) {
    return el_set(editor, EL_SIGNAL, areHandled);
}

// Gives the terminal the modes for editing, which libedit does only after it has shown the prompt.
static inline int apus_edit_prepare(EditLine *editor) { return el_set(editor, EL_PREP_TERM, 1); }

// A function that reads a character: 1, or 0 at the end of the input, or -1 to give up the line.
static inline int apus_edit_set_reader(EditLine *editor, int (*reader)(EditLine *, wchar_t *)) {
    return el_set(editor, EL_GETCFN, reader);
}

static inline int apus_edit_set_data(EditLine *editor, void *data) { return el_set(editor, EL_CLIENTDATA, data); }

static inline void *apus_edit_data(EditLine *editor) {
    void *data = NULL;
    el_get(editor, EL_CLIENTDATA, &data);
    return data;
}

static inline int apus_edit_add(EditLine *editor, const char *name, const char *help,
                                unsigned char (*function)(EditLine *, int)) {
    return el_set(editor, EL_ADDFN, name, help, function);
}

static inline int apus_edit_bind(EditLine *editor, const char *key, const char *command) {
    return el_set(editor, EL_BIND, key, command, NULL);
}

// Changes the terminal's modes while a line is edited.
static inline int apus_edit_set_mode(EditLine *editor, const char *mode) {
    return el_set(editor, EL_SETTY, "-d", mode, NULL);
}

static inline int apus_edit_set_history(EditLine *editor, History *lines) {
    return el_set(editor, EL_HIST, history, lines);
}

static inline int apus_history_set_size(History *lines, int size) {
    HistEvent event;
    return history(lines, &event, H_SETSIZE, size);
}

static inline int apus_history_set_unique(History *lines, int isUnique) {
    HistEvent event;
    return history(lines, &event, H_SETUNIQUE, isUnique);
}

static inline int apus_history_enter(History *lines, const char *text) {
    HistEvent event;
    return history(lines, &event, H_ENTER, text);
}

static inline int apus_history_load(History *lines, const char *path) {
    HistEvent event;
    return history(lines, &event, H_LOAD, path);
}

static inline int apus_history_save(History *lines, const char *path) {
    HistEvent event;
    return history(lines, &event, H_SAVE, path);
}

#endif
