/* The FNV-1a checksum (64 bits) of bytes. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *
checksum(PyObject *module, PyObject *arguments)
{
    const char *bytes;
    Py_ssize_t length, index;
    unsigned long long sum = 14695981039346656037ULL;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "y#", &bytes, &length))
        return NULL;
    for (index = 0; index < length; index++) {
        sum ^= (unsigned char)bytes[index];
        sum *= 1099511628211ULL;
    }
    return PyLong_FromUnsignedLongLong(sum);
}

static PyMethodDef methods[] = {
    {"checksum", checksum, METH_VARARGS, "checksum(bytes) -> int"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_speedups", "Checksums in C.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    return PyModule_Create(&definition);
}
