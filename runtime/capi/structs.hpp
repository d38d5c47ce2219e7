// Callers' structs of any version, in and out, and what they mean in C++.
#pragma once

#include <cstring>
#include <initializer_list>

#include "capi/boundary.hpp"

namespace weft::capi {

// What every version of a struct has: the fields that are always needed. Fields only ever join at
// the end.
template <class Struct>
inline constexpr size_t kRequiredBytes = sizeof(Struct);
template <>
inline constexpr size_t kRequiredBytes<weft_device_options> = offsetof(weft_device_options, name);
template <>
inline constexpr size_t kRequiredBytes<weft_tensor> = offsetof(weft_tensor, strides);
template <>
inline constexpr size_t kRequiredBytes<weft_program_options> = offsetof(weft_program_options,
                                                                        flags);
template <>
inline constexpr size_t kRequiredBytes<weft_attention_call> = offsetof(weft_attention_call,
                                                                       logsumexp);
template <>
inline constexpr size_t kRequiredBytes<weft_attention_desc> = offsetof(weft_attention_desc, mask);
template <>
inline constexpr size_t kRequiredBytes<weft_attention_weights_call> =
    offsetof(weft_attention_weights_call, heads);
template <>
inline constexpr size_t kRequiredBytes<weft_attention_merge_call> =
    offsetof(weft_attention_merge_call, logsumexp);
template <>
inline constexpr size_t kRequiredBytes<weft_linear_call> = offsetof(weft_linear_call, bias);
template <>
inline constexpr size_t kRequiredBytes<weft_norm_call> = offsetof(weft_norm_call, weight);
template <>
inline constexpr size_t kRequiredBytes<weft_add_call> = offsetof(weft_add_call, gate);
template <>
inline constexpr size_t kRequiredBytes<weft_mix_keys_call> = offsetof(weft_mix_keys_call, factors);
// What the library fills may be as short as a caller likes.
template <>
inline constexpr size_t kRequiredBytes<weft_traits> = offsetof(weft_traits, name);
template <>
inline constexpr size_t kRequiredBytes<weft_stats> = offsetof(weft_stats, barriers);
template <>
inline constexpr size_t kRequiredBytes<weft_operation_time> = offsetof(weft_operation_time, name);

// The flags that this library knows.
template <class Struct>
inline constexpr uint32_t kFlags = 0;
template <>
inline constexpr uint32_t kFlags<weft_device_options> = 7;
template <>
inline constexpr uint32_t kFlags<weft_program_options> = WEFT_PROGRAM_TIMESTAMPS;
template <>
inline constexpr uint32_t kFlags<weft_attention_call> = 7;
template <>
inline constexpr uint32_t kFlags<weft_attention_weights_call> = 7;

Result<void> check_size(Function function, const char* argument, const void* in, size_t required);
// Copies what both versions have; the rest of what the caller gave must be 0.
Result<void> copy_in(Function function, const char* argument, const void* in, void* out,
                     size_t required, size_t known);

// The caller's struct in this library's version: fields that the caller's lacks are 0.
template <class Struct>
Result<Struct> read(Function function, const char* argument, const Struct* in) {
  Struct out{};
  WEFT_TRY(copy_in(function, argument, in, &out, kRequiredBytes<Struct>, sizeof(Struct)));
  if constexpr (requires { out.reserved; })
    if (out.reserved != 0)
      return function.unknown(argument, ".reserved is ", out.reserved, "; it must be 0");
  if constexpr (requires { out.flags; })
    if ((out.flags & ~kFlags<Struct>) != 0)
      return function.unknown(argument, ".flags is ", out.flags, "; this library knows those in ",
                              kFlags<Struct>);
  return out;
}

// Checks a struct to fill, before the work is done.
template <class Struct>
Result<void> begin_output(Function function, const char* argument, Struct* out) {
  return check_size(function, argument, out, kRequiredBytes<Struct>);
}

// Fills it: as much as the caller's version has, and zeros where that is the longer one.
template <class Struct>
void write(const Struct& from, Struct* out) {
  const uint32_t bytes = out->struct_size;
  const size_t both = bytes < sizeof(Struct) ? bytes : sizeof(Struct);
  std::memset(static_cast<void*>(out), 0, bytes);
  std::memcpy(static_cast<void*>(out), &from, both);
  out->struct_size = bytes;
}

// A number of one of this header's enums, which all run from 0 to `last`.
template <class Enum>
Result<Enum> read_enum(Function function, const char* argument, int32_t value, Enum last) {
  if (value < 0 || value > static_cast<int32_t>(last))
    return function.broken(argument, " is ", value, "; it must be 0 to ",
                           static_cast<int32_t>(last));
  return static_cast<Enum>(value);
}

Result<DType> read_dtype(Function function, const char* argument, weft_dtype value);
Result<Memory> read_memory(Function function, weft_memory value);
// `rank` numbers.
Result<Dims> read_shape(Function function, const char* argument, uint32_t rank,
                        const int64_t* values);

// An optional tensor: empty where it is not given.
Result<Tensor> read_tensor(Function function, const char* argument, const weft_tensor* in);
struct TensorField {
  const char* name;
  const weft_tensor* from;
  Tensor* to;
};
// `in` begins the fields' names in messages: "call" for "call.query".
Result<void> read_tensors(Function function, const char* in,
                          std::initializer_list<TensorField> fields);
// Attention's own structs (attention.cpp).
Result<AttentionCall> read_attention(Function function, const char* argument,
                                     const weft_attention_call* in);
Result<AttentionDesc> read_desc(Function function, const weft_attention_desc* in);

// A recorder that may end its recording: not while a callback records a part of a block.
Result<void> check_not_lent(Function function, const weft_recorder* recorder);

// Fills *out with `tensor` and a new handle of its buffer.
Result<void> write_tensor(Function function, const HostAllocator& allocator, const Tensor& tensor,
                          weft_tensor* out);

// Two tensors that a function fills: both or none.
struct TensorPair {
  const char* first_name;
  weft_tensor* first;
  const char* second_name;
  weft_tensor* second;

  Result<void> begin(Function function) const;  // checks and empties them
  Result<void> fill(Function function, const HostAllocator& allocator, const Tensor& first_tensor,
                    const Tensor& second_tensor) const;
};

}  // namespace weft::capi
