/* The app's own volk. */
#define VOLK_IMPLEMENTATION
#include <volk.h>
