// Weft in C: the whole API for C11, and for every language that calls C.
//
// Structs. Every struct begins with struct_size: set it to sizeof the struct, in those that a
// function fills too, and leave the rest zero but for what you mean; zero is the default unless a
// comment says otherwise:
//   weft_add_call call = {.struct_size = sizeof call, .left = &a, .right = &b, .output = &sum};
// That is how a program built with an older or a newer header keeps working: fields that the
// caller's struct lacks take their defaults; fields that the library does not know must be zero
// (unsupported if not), and in a struct that it fills they become zero. A struct_size that leaves
// out fields which are always needed, or is above 4096, is an invalid_argument. Structs, and what
// they point to, are read during the call only.
//
// Errors. What can fail returns a weft_status and takes a weft_error* last, which may be NULL. A
// NULL where a value is needed, a number that is in no enum and a rank above 4 are an
// invalid_argument; so is everything that the comments rule out. A function that fails sets its
// output handle or string to NULL.
//
// Handles. A handle is made with one reference, which its maker owns: weft_..._retain adds one,
// weft_..._release takes one away, and both take NULL. What was made from a device keeps it open;
// work that was submitted keeps what it uses alive until it has finished. So handles may be
// released in any order, as soon as you like. A handle that was not made here, or is used after its
// last release, is undefined behaviour.
//
// Threads. Any function may be called from any thread, at the same time as any other, with one
// exception: a recorder, from weft_recorder_create to its release, belongs to one thread at a time.
//
// Units. Sizes and offsets in bytes say so; shapes and strides count elements; times are in
// nanoseconds. Texts are UTF-8 and end in a zero.
#ifndef WEFT_H_INCLUDED
#define WEFT_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

#include "weft/export.hpp"  // WEFT_EXPORT; preprocessor only

#ifdef __cplusplus
extern "C" {
#endif

// Raised when something in this header changes its meaning; additions leave it as it is.
#define WEFT_ABI_VERSION 1
// The number that the library was built with; a program needs it to equal WEFT_ABI_VERSION.
WEFT_EXPORT uint32_t weft_abi_version(void);
// The library's version, "0.1.0" for instance.
WEFT_EXPORT const char* weft_version(void);

// ---- Status and error ----

typedef int32_t weft_status;
enum {
  WEFT_OK = 0,
  WEFT_INVALID_ARGUMENT = 1,  // the call breaks a rule; the message names it and the value found
  WEFT_UNSUPPORTED = 2,       // valid, but this device or build can't do it; the message says why
  WEFT_OUT_OF_MEMORY = 3,     // host or device memory is exhausted; nothing was changed
  WEFT_DEVICE_LOST = 4,       // the device stopped; every later call on it fails the same way
  WEFT_NO_DEVICE = 5,         // no loader, no driver, or no device that fits
  WEFT_TIMEOUT = 6,           // the time given to a wait ran out; the work goes on
  WEFT_INTERNAL = 7           // a driver call failed in a way that has no better name
};
// "invalid_argument" for 1; "unknown" for a number that is none.
WEFT_EXPORT const char* weft_status_name(weft_status status);

// The caller's own; never grows. Written by every call that is given one: WEFT_OK and "" where it
// succeeds.
typedef struct weft_error {
  weft_status code;
  char message[2044];  // "operation: rule and value found"; a longer one is cut and ends in "..."
} weft_error;

// Texts that a function returns through a char** are the caller's: give each back, once. NULL is
// allowed.
WEFT_EXPORT void weft_string_free(char* text);

// ---- Devices ----

typedef struct weft_device weft_device;

typedef int32_t weft_log_level;
enum { WEFT_LOG_ERROR = 0, WEFT_LOG_WARNING = 1, WEFT_LOG_INFO = 2 };
// May be called from any thread that uses the device; must not call back into it. `message` lives
// as long as the call.
typedef void (*weft_log_callback)(void* user, weft_log_level level, const char* message);

// Host memory of the app's own. Used for: what the Vulkan driver, and Vulkan Memory Allocator, take
// from the host for the device and its objects; the handles of everything made from it; texts that
// are returned for it. Not for: the library's own containers (plans, recordings, pipeline cache),
// which take the C++ operator new; what is made without a device; device memory. All three
// functions are needed, may be called from any thread that uses the device, must not call back into
// it, and must stay usable until everything made from the device is released.
typedef struct weft_allocator {
  uint32_t struct_size;
  uint32_t reserved;  // 0
  void* user;         // given to every call
  // `bytes` of memory at a multiple of `alignment` (a power of two); NULL when there is none.
  void* (*allocate)(void* user, size_t bytes, size_t alignment);
  // As realloc: `memory` NULL allocates; `bytes` 0 frees and returns NULL; on failure `memory`
  // stays valid.
  void* (*reallocate)(void* user, void* memory, size_t bytes, size_t alignment);
  void (*free)(void* user, void* memory);  // `memory` may be NULL
} weft_allocator;

// weft_device_options.flags
enum {
  // Loads the validation layer, as WEFT_VALIDATION=1 in the environment does.
  WEFT_DEVICE_VALIDATION = 1,
  // For tests: pretend that the device has no 16-bit access; that the host can't see its memory.
  WEFT_DEVICE_WITHOUT_16BIT = 2,
  WEFT_DEVICE_WITHOUT_DIRECT_ACCESS = 4
};

typedef struct weft_device_options {
  uint32_t struct_size;
  uint32_t flags;
  // Its index in weft_device_list, or part of a device's name (any case). NULL or "": the
  // environment variable WEFT_DEVICE; if that is empty too, the best by type (discrete, integrated,
  // virtual, CPU).
  const char* name;
  // Folder of the on-disk pipeline cache and of what was found out about the device. NULL or "":
  // WEFT_CACHE_DIR; else no file.
  const char* cache_dir;
  const char* kernel;   // kernel rows to force, comma separated. NULL or "": WEFT_KERNEL
  const char* disable;  // beginnings of the names of rows to leave out. NULL or "": WEFT_DISABLE
  // Work is cut into submissions above this much arithmetic, single operations too, so that no
  // driver's watchdog fires. 0: what takes a tenth of a second at a slow pace, by the device's cores
  // or type.
  double max_flops_per_submission;
  weft_log_callback log;  // NULL: messages are dropped
  void* log_user;  // both must stay usable until everything made from the device is released
  const weft_allocator* allocator;  // NULL: the driver's and the C library's own
  // What to do with kernel rows that must prove themselves on the device before they are chosen:
  // "on" runs a small problem of theirs against the host, once for a device, driver and library
  // where there is a cache folder; "off" leaves them out; "trust" believes in them. NULL or "":
  // WEFT_SELF_TEST; if that is empty too, on.
  const char* self_test;
  // Above 0: an attention whose lengths are known and that was never measured on this device is
  // measured when it is first planned, for about so many seconds, and the fastest row is kept, in
  // the cache folder too. 0: never.
  double tune_seconds;
} weft_device_options;

// `options` may be NULL: all defaults.
// Errors: no_device (the message lists every device and why it can't be used), unsupported (the
// named device lacks Vulkan 1.3 or a required feature, or the validation layer is missing),
// out_of_memory, invalid_argument.
WEFT_EXPORT weft_status weft_device_open(const weft_device_options* options, weft_device** device,
                                         weft_error* error);
// Returns its argument, as every retain does.
WEFT_EXPORT weft_device* weft_device_retain(weft_device* device);
WEFT_EXPORT void weft_device_release(weft_device* device);

typedef int32_t weft_device_type;
enum {
  WEFT_DEVICE_TYPE_OTHER = 0,
  WEFT_DEVICE_TYPE_INTEGRATED = 1,
  WEFT_DEVICE_TYPE_DISCRETE = 2,
  WEFT_DEVICE_TYPE_VIRTUAL_GPU = 3,
  WEFT_DEVICE_TYPE_CPU = 4
};

// What an app may choose a device by, after known faults are taken out; weft_attention_explain says
// what kernels make of the rest. Texts live as long as the device or list that was asked.
typedef struct weft_traits {
  uint32_t struct_size;
  weft_device_type type;
  const char* name;
  const char* driver_name;
  const char* driver_info;
  const char* quirks;   // ids of the quirks applied, separated by commas; "" for none
  const char* why_not;  // what is missing, where Weft can't use the device; else ""
  uint32_t vendor_id;
  uint32_t device_id;
  uint32_t driver_id;  // VkDriverId
  uint32_t driver_version;
  uint32_t api_version;  // VK_MAKE_API_VERSION
  uint32_t subgroup_size;
  uint32_t max_workgroup_invocations;
  uint32_t max_workgroup_count[3];
  uint32_t max_workgroup_size[3];
  uint32_t max_push_constants_bytes;
  uint32_t shared_memory_bytes;
  float timestamp_period_ns;  // 0: the device can't measure times
  uint32_t storage_16bit;     // 1: yes; 0: no. So are those below without a comment
  uint64_t max_allocation_bytes;
  uint32_t unified_memory;  // 1: device-local memory is host-visible
  uint32_t buffer_device_address;
  uint32_t timeline_semaphore;
  uint32_t synchronization2;
  uint8_t pipeline_cache_uuid[16];
} weft_traits;

WEFT_EXPORT weft_status weft_device_traits(const weft_device* device, weft_traits* traits,
                                           weft_error* error);

// All devices of all drivers, usable or not: a snapshot. Errors: no_device without a loader or
// driver.
typedef struct weft_device_list weft_device_list;
WEFT_EXPORT weft_status weft_device_list_create(weft_device_list** list, weft_error* error);
WEFT_EXPORT uint32_t weft_device_list_count(const weft_device_list* list);  // 0 for NULL
WEFT_EXPORT weft_status weft_device_list_traits(const weft_device_list* list, uint32_t index,
                                                weft_traits* traits, weft_error* error);
WEFT_EXPORT void weft_device_list_release(weft_device_list* list);

// Waits for everything submitted so far. Errors: device_lost.
WEFT_EXPORT weft_status weft_device_wait_idle(const weft_device* device, weft_error* error);
// Writes the pipeline cache file now (it is also written when the device closes).
WEFT_EXPORT weft_status weft_device_save_pipeline_cache(const weft_device* device,
                                                        weft_error* error);
// Messages of the validation layer so far; 0 without it, and for NULL.
WEFT_EXPORT uint64_t weft_device_validation_messages(const weft_device* device);

// ---- Buffers and tensors ----

typedef struct weft_buffer weft_buffer;

typedef int32_t weft_memory;
enum {
  WEFT_MEMORY_DEVICE = 0,   // fastest for kernels; host-visible only where that costs nothing
  WEFT_MEMORY_UPLOAD = 1,   // host-visible, written by the host, read by kernels
  WEFT_MEMORY_READBACK = 2  // host-visible and cached, read by the host
};

// At least `bytes` of memory (1 or more). Contents are undefined. Errors: out_of_memory,
// invalid_argument.
WEFT_EXPORT weft_status weft_buffer_create(const weft_device* device, uint64_t bytes,
                                           weft_memory memory, weft_buffer** buffer,
                                           weft_error* error);
WEFT_EXPORT weft_buffer* weft_buffer_retain(weft_buffer* buffer);
WEFT_EXPORT void weft_buffer_release(weft_buffer* buffer);
WEFT_EXPORT uint64_t weft_buffer_size_bytes(const weft_buffer* buffer);  // 0 for NULL
// Host address of the memory, where the host can see it, else NULL. Not synchronised with the
// device.
WEFT_EXPORT void* weft_buffer_mapped(const weft_buffer* buffer);

// Types of elements in memory. Arithmetic is fp32 whatever the storage.
typedef int32_t weft_dtype;
enum {
  WEFT_DTYPE_F32 = 0,
  WEFT_DTYPE_F16 = 1,   // IEEE half
  WEFT_DTYPE_BF16 = 2,  // the upper half of an f32
  WEFT_DTYPE_I32 = 3,
  WEFT_DTYPE_U8 = 4
};

typedef int32_t weft_layout;
enum {
  WEFT_LAYOUT_DENSE = 0,   // row-major without gaps; `strides` is not read
  WEFT_LAYOUT_STRIDED = 1  // as `strides` say
};

// A view of a buffer: plain data to copy and change. It borrows the buffer: release that when no
// tensor needs it. In calls, an optional tensor is not given where its pointer or its buffer is
// NULL. Strides are in elements, not negative; 0 repeats (broadcast) along that axis; the last one
// must be 1 wherever a kernel reads or writes rows. So `length` elements
// of axis i from `begin` on are the same tensor with offset_bytes + begin * strides[i] * (bytes of
// an element), `length` as shape[i], and the layout strided.
typedef struct weft_tensor {
  uint32_t struct_size;
  weft_dtype dtype;
  weft_buffer* buffer;
  uint64_t offset_bytes;  // of element 0; a multiple of the element size
  uint32_t rank;          // 1 to 4
  weft_layout layout;
  int64_t shape[4];  // outermost first; what lies beyond rank is not read
  int64_t strides[4];
} weft_tensor;

// A dense tensor with a buffer of its own, tensor->buffer, which the caller releases. `shape` holds
// `rank` dimensions, each 0 or more. Strides are filled in and the layout is strided, ready to
// change into views.
WEFT_EXPORT weft_status weft_tensor_create(const weft_device* device, weft_dtype dtype,
                                           uint32_t rank, const int64_t* shape, weft_memory memory,
                                           weft_tensor* tensor, weft_error* error);

// Copies host bytes into a dense tensor; the data may be changed on return. Ordered after work
// submitted before. `bytes` must be the tensor's size exactly; of 0 bytes, `data` may be NULL. For
// a range of a buffer, give a tensor of u8 with rank 1.
WEFT_EXPORT weft_status weft_upload(const weft_device* device, const weft_tensor* tensor,
                                    const void* data, uint64_t bytes, weft_error* error);
// Copies a dense tensor to the host, after all work submitted before. Waits.
WEFT_EXPORT weft_status weft_download(const weft_device* device, const weft_tensor* tensor,
                                      void* data, uint64_t bytes, weft_error* error);

// ---- Recorders, programs, tickets ----

// Takes operations in program order and derives the rest: which may overlap, the fewest barriers,
// and which transient tensors share memory.
typedef struct weft_recorder weft_recorder;
WEFT_EXPORT weft_status weft_recorder_create(const weft_device* device, weft_recorder** recorder,
                                             weft_error* error);
WEFT_EXPORT void weft_recorder_release(weft_recorder* recorder);
// A name that operations recorded from now on carry in times and traces. NULL: none.
WEFT_EXPORT weft_status weft_recorder_label(weft_recorder* recorder, const char* name,
                                            weft_error* error);
// A dense tensor that lives from its first to its last use in this recording and shares memory with
// others. It must be written before it is read, and can't be used by the host or by another
// recording. The caller releases tensor->buffer, at any time after the last operation with it was
// recorded.
WEFT_EXPORT weft_status weft_recorder_transient(weft_recorder* recorder, weft_dtype dtype,
                                                uint32_t rank, const int64_t* shape,
                                                weft_tensor* tensor, weft_error* error);

// A point in a device's work: the value that its timeline semaphore reaches there. Later work has
// larger numbers; 0 has always been reached. A number: it costs nothing and needs no release.
typedef uint64_t weft_ticket;
// 1 once the work and everything submitted before it has finished, or the device is lost, and for
// NULL; else 0.
WEFT_EXPORT int32_t weft_done(const weft_device* device, weft_ticket ticket);
// UINT64_MAX waits without end, for a number not yet submitted too. Errors: timeout (the work goes
// on), device_lost.
WEFT_EXPORT weft_status weft_wait(const weft_device* device, weft_ticket ticket,
                                  uint64_t timeout_ns, weft_error* error);

// Ends the recording and runs it once. The recorder is empty afterwards, whatever is returned.
// `ticket` may be NULL. Errors: those of weft_recorder_finish.
WEFT_EXPORT weft_status weft_recorder_submit(weft_recorder* recorder, weft_ticket* ticket,
                                             weft_error* error);

// Work recorded once, run any number of times without recording again. Runs of one program follow
// each other on the device.
typedef struct weft_program weft_program;

// weft_program_options.flags
enum {
  WEFT_PROGRAM_TIMESTAMPS = 1  // measure every operation; needs timestamp_period_ns > 0
};
typedef struct weft_program_options {
  uint32_t struct_size;
  uint32_t flags;
} weft_program_options;

// Ends the recording, keeping it as a program. The recorder is empty afterwards, unless an
// argument is wrong. `options` may be NULL. Errors: out_of_memory, invalid_argument (a transient tensor read
// before written), unsupported (timestamps that the device lacks), device_lost.
WEFT_EXPORT weft_status weft_recorder_finish(weft_recorder* recorder,
                                             const weft_program_options* options,
                                             weft_program** program, weft_error* error);
WEFT_EXPORT weft_program* weft_program_retain(weft_program* program);
WEFT_EXPORT void weft_program_release(weft_program* program);
// Submits and returns at once. `ticket` may be NULL. Errors: device_lost, out_of_memory.
WEFT_EXPORT weft_status weft_program_run(const weft_program* program, weft_ticket* ticket,
                                         weft_error* error);

typedef struct weft_stats {
  uint32_t struct_size;
  uint32_t operations;
  uint32_t barriers;         // between operations; the one that orders submissions is not counted
  uint32_t submissions;      // command buffers that one run submits
  uint64_t transient_bytes;  // memory that transient tensors share
  uint64_t transient_bytes_summed;  // what they would take without sharing
} weft_stats;
WEFT_EXPORT weft_status weft_program_stats(const weft_program* program, weft_stats* stats,
                                           weft_error* error);

// Device times of the operations of a program's last run, from timestamps.
typedef struct weft_times weft_times;
typedef struct weft_operation_time {
  uint32_t struct_size;
  uint32_t reserved;
  const char* name;    // the operation and its label; lives as long as the weft_times
  const char* kernel;  // the kernel row that ran; likewise
  double begin_ns;     // from the start of the run
  double end_ns;
  double flops;  // arithmetic that the operation's formula counts
  double bytes;  // tensor bytes read and written once
} weft_operation_time;

// Waits for the last run; no other thread may run the program meanwhile. Errors: invalid_argument unless
// made with timestamps and run before;
// device_lost.
WEFT_EXPORT weft_status weft_program_times(const weft_program* program, weft_times** times,
                                           weft_error* error);
WEFT_EXPORT uint32_t weft_times_count(const weft_times* times);  // 0 for NULL
WEFT_EXPORT weft_status weft_times_get(const weft_times* times, uint32_t index,
                                       weft_operation_time* time, weft_error* error);
// As a Chrome trace (chrome://tracing, Perfetto): a JSON text, to give to weft_string_free.
WEFT_EXPORT weft_status weft_times_trace(const weft_times* times, char** json, weft_error* error);
WEFT_EXPORT void weft_times_release(weft_times* times);

#ifdef __cplusplus
}
#endif

#include "weft/operations.h"  // and, behind it, the other parts

#endif  // WEFT_H_INCLUDED
