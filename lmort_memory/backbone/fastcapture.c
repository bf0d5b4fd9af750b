/*
 * The eval callback of llama.cpp's scheduler, in C: no interpreter lock is taken for the hundreds of
 * graph nodes that nobody wants, and none for those that are wanted.
 *
 * Written against llama.cpp as vendored by llama-cpp-python 0.3.36. Nothing of ggml is included or
 * linked: its functions come in as pointers, so this file builds wherever Python headers are. The
 * struct is mirrored field by field in _capture.py; LMORT_CAPTURE_ABI guards against a stale build.
 *
 *   typedef bool (*ggml_backend_sched_eval_callback)(struct ggml_tensor * t, bool ask, void * user_data);
 *   typedef bool (*ggml_abort_callback)(void * data);
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LMORT_CAPTURE_ABI 1
#define LMORT_NAME_MAX 64 /* GGML_MAX_NAME */

typedef struct {
    char name[LMORT_NAME_MAX];
    char *data;       /* where the rows go */
    uint64_t size;    /* bytes there is room for */
    uint64_t used;    /* bytes written since the last reset */
} lmort_want;

typedef struct {
    const char *(*get_name)(const void *tensor);
    size_t (*nbytes)(const void *tensor);
    void (*tensor_get)(const void *tensor, void *data, size_t offset, size_t size);
    lmort_want *wants;
    int32_t n_wants;
    int32_t exit_after; /* stop the graph after wants[exit_after]; -1: compute all of it */
    int32_t stopped;    /* the graph was stopped there; cleared by the caller before each decode */
    int32_t overflow;   /* a tensor did not fit: the caller raises */
    volatile int32_t abort;
} lmort_capture;

static int find_want(const lmort_capture *c, const void *tensor) {
    const char *name = c->get_name(tensor);
    for (int32_t i = 0; i < c->n_wants; ++i) {
        if (strncmp(c->wants[i].name, name, LMORT_NAME_MAX) == 0) {
            return (int) i;
        }
    }
    return -1;
}

static bool lmort_eval(void *tensor, bool ask, void *user_data) {
    lmort_capture *c = user_data;
    if (c->stopped) {
        return ask; /* a later split of the same graph: ask for its first node, then end it there */
    }
    const int i = find_want(c, tensor);
    if (ask) {
        return i >= 0;
    }
    if (i < 0) {
        return true;
    }
    lmort_want *want = &c->wants[i];
    const uint64_t n = (uint64_t) c->nbytes(tensor);
    if (want->used + n > want->size) {
        c->overflow = 1;
        return true;
    }
    c->tensor_get(tensor, want->data + want->used, 0, (size_t) n);
    want->used += n;
    if (i == c->exit_after) {
        c->stopped = 1;
        return false;
    }
    return true;
}

static bool lmort_abort(void *data) {
    return ((lmort_capture *) data)->abort != 0;
}

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "fastcapture",
    .m_doc = "Addresses of the C callbacks that _capture.py hands to llama.cpp.",
    .m_size = 0,
};

PyMODINIT_FUNC PyInit_fastcapture(void) {
    PyObject *module = PyModule_Create(&module_def);
    if (module == NULL) {
        return NULL;
    }
    PyObject *eval = PyLong_FromVoidPtr((void *) (uintptr_t) &lmort_eval);
    PyObject *abort = PyLong_FromVoidPtr((void *) (uintptr_t) &lmort_abort);
    if (PyModule_AddObjectRef(module, "EVAL", eval) < 0 ||
        PyModule_AddObjectRef(module, "ABORT", abort) < 0 ||
        PyModule_AddIntConstant(module, "ABI", LMORT_CAPTURE_ABI) < 0) {
        Py_CLEAR(module);
    }
    Py_XDECREF(eval);
    Py_XDECREF(abort);
    return module;
}
