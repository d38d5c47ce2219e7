// WEFT_EXPORT marks what a shared library offers, WEFT_IO_EXPORT the same for weft::io. Both are empty for a
// static library, whose symbols stay hidden inside whatever links it. Preprocessor only: C may include it too.
//
// WEFT_SHARED is defined by the build of a shared library and by everything that links it (the CMake
// package and the pkg-config file do so); WEFT_BUILDING and WEFT_IO_BUILDING only while the library is built.
#pragma once

#if !defined(WEFT_SHARED)
#define WEFT_EXPORT
#define WEFT_IO_EXPORT
#elif defined(_WIN32)
#if defined(WEFT_BUILDING)
#define WEFT_EXPORT __declspec(dllexport)
#else
#define WEFT_EXPORT __declspec(dllimport)
#endif
#if defined(WEFT_IO_BUILDING)
#define WEFT_IO_EXPORT __declspec(dllexport)
#else
#define WEFT_IO_EXPORT __declspec(dllimport)
#endif
#else
#define WEFT_EXPORT __attribute__((visibility("default")))
#define WEFT_IO_EXPORT __attribute__((visibility("default")))
#endif
