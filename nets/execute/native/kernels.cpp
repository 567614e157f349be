// The native kernels of the integer executor: plain C functions, called through ctypes without the interpreter lock.

#include "convolution.h"
#include "elementwise.h"

extern "C" {

// Changes whenever a structure or a signature does, so that a stale build is noticed.
int32_t kernels_version(void) { return 2; }
}
