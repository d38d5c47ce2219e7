// A model's weights as they are published (safetensors: one file, or many and an index), in C. Part
// of weft_io, not of weft.h: link weft::io.
#ifndef WEFT_CHECKPOINT_H_INCLUDED
#define WEFT_CHECKPOINT_H_INCLUDED

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

// Immutable: any thread may read it.
typedef struct weft_checkpoint weft_checkpoint;
// Opens and checks all of it: after this no tensor can be missing or out of range. `path` (UTF-8)
// is a safetensors file, an index that ends in ".json", or a folder with one of them, which
// weft/checkpoint.hpp chooses. Files are mapped, not read. Errors: invalid_argument (a missing
// file, a broken rule of the format, by name), unsupported, out_of_memory.
WEFT_IO_EXPORT weft_status weft_checkpoint_open(const char* path, weft_checkpoint** checkpoint,
                                                weft_error* error);
WEFT_IO_EXPORT weft_checkpoint* weft_checkpoint_retain(weft_checkpoint* checkpoint);
WEFT_IO_EXPORT void weft_checkpoint_release(weft_checkpoint* checkpoint);
// Its tensors, for weft_find_blocks and weft_fusion_stack_load, or to read them by its functions:
// from any thread. Usable until the checkpoint's last release. NULL for NULL. A name that holds a
// zero is left out.
WEFT_IO_EXPORT const weft_tensor_source* weft_checkpoint_source(const weft_checkpoint* checkpoint);

#ifdef __cplusplus
}
#endif

#endif  // WEFT_CHECKPOINT_H_INCLUDED
