// Elements of any type behind a device address. The type and "aligned" are specialization constants
// at every call, so one branch is left. Without WEFT_NATIVE16 only 32-bit words are read and
// written. A read touches only the word, or on the aligned path the group of four, that holds a
// valid element.
#ifndef WEFT_MEMORY_GLSL
#define WEFT_MEMORY_GLSL

#include "lib/address.glsl"
#include "lib/convert.glsl"

#define WEFT_BUFFER(bytes) layout(buffer_reference, std430, buffer_reference_align = bytes)

// Reads and writes have types of their own: devices fetch through "readonly" ones by cheaper paths.
WEFT_BUFFER(16) readonly buffer Vectors { vec4 v[]; };
WEFT_BUFFER(8) readonly buffer WordPairs { uvec2 v[]; };
WEFT_BUFFER(4) readonly buffer Words { uint v[]; };
WEFT_BUFFER(4) readonly buffer Floats { float v[]; };
WEFT_BUFFER(16) writeonly buffer OutVectors { vec4 v[]; };
WEFT_BUFFER(8) writeonly buffer OutWordPairs { uvec2 v[]; };
WEFT_BUFFER(4) buffer OutWords { uint v[]; };
WEFT_BUFFER(4) writeonly buffer OutFloats { float v[]; };
#ifdef WEFT_NATIVE16
WEFT_BUFFER(2) readonly buffer Shorts { uint16_t v[]; };
WEFT_BUFFER(2) writeonly buffer OutShorts { uint16_t v[]; };
#endif

uint type_shift(uint type) { return type == WEFT_TYPE_F32 ? 2u : 1u; }

uvec2 row_address(uint type, uvec2 address, uint stride, uint row) {
  return address_row(address, stride, row, type_shift(type));
}

uvec2 word_address(uvec2 address) { return uvec2(address.x & ~3u, address.y); }

// Addresses here are the same for all invocations, and what differs between them is an index: a CPU
// driver crashes while compiling 16-wide code for addresses that differ.
uint load_bits16(uvec2 base, uint index) {
#ifdef WEFT_NATIVE16
  return uint(Shorts(base).v[index]);
#else
  uint place = index + ((base.x >> 1) & 1u);
  uint word = Words(word_address(base)).v[place >> 1];
  return (place & 1u) == 0u ? word & 0xffffu : word >> 16;
#endif
}

float load_element(uint type, uvec2 base, uint index) {
  if (type == WEFT_TYPE_F32) return Floats(base).v[index];
  return bits16_to_float(type, load_bits16(base, index));
}

// The group-th four elements of the row that begins at element "start", of which the first "valid"
// exist; the others read as zero.
vec4 load_group(uint type, bool aligned, uvec2 base, uint start, uint group, uint valid) {
  if (aligned) {
    uint place = (start >> 2) + group;
    if (type == WEFT_TYPE_F32) return Vectors(base).v[place];
    return bits16_to_float(type, WordPairs(base).v[place]);
  }
  // Reads of elements that do not exist are moved, not skipped: drivers that mask lanes run a short
  // branch with no lane active, reads included.
  uint first = start + group * 4u, last = first + valid - 1u;
  vec4 values = vec4(load_element(type, base, first), 0.0, 0.0, 0.0);
  if (valid > 1u) values.y = load_element(type, base, min(first + 1u, last));
  if (valid > 2u) values.z = load_element(type, base, min(first + 2u, last));
  if (valid > 3u) values.w = load_element(type, base, min(first + 3u, last));
  return values;
}

// The same of 16-bit elements, as they are.
uvec2 load_pairs(bool aligned, uvec2 base, uint start, uint group, uint valid) {
  if (aligned) return WordPairs(base).v[(start >> 2) + group];
  uint first = start + group * 4u, last = first + valid - 1u;
  uvec2 pairs = uvec2(load_bits16(base, first), 0u);
  if (valid > 1u) pairs.x |= load_bits16(base, min(first + 1u, last)) << 16;
  if (valid > 2u) pairs.y = load_bits16(base, min(first + 2u, last));
  if (valid > 3u) pairs.y |= load_bits16(base, min(first + 3u, last)) << 16;
  return pairs;
}

void store_element(uint type, uvec2 base, uint index, float value) {
  if (type == WEFT_TYPE_F32) {
    OutFloats(base).v[index] = value;
    return;
  }
  uint bits = float_to_bits16(type, value);
#ifdef WEFT_NATIVE16
  OutShorts(base).v[index] = uint16_t(bits);
#else
  // The other half of the word may be written by another invocation: two atomics leave it alone.
  uint place = index + ((base.x >> 1) & 1u);
  uint shift = (place & 1u) * 16u;
  OutWords words = OutWords(word_address(base));
  atomicAnd(words.v[place >> 1], ~(0xffffu << shift));
  atomicOr(words.v[place >> 1], bits << shift);
#endif
}

void store_group(uint type, bool aligned, uvec2 base, uint start, uint group, uint valid,
                 vec4 values) {
  if (aligned) {
    uint place = (start >> 2) + group;
    if (type == WEFT_TYPE_F32) {
      OutVectors(base).v[place] = values;
    } else {
      OutWordPairs(base).v[place] =
          uvec2(float_to_bits16(type, values.x) | (float_to_bits16(type, values.y) << 16),
                float_to_bits16(type, values.z) | (float_to_bits16(type, values.w) << 16));
    }
    return;
  }
  uint first = start + group * 4u;
  store_element(type, base, first, values.x);
  if (valid > 1u) store_element(type, base, first + 1u, values.y);
  if (valid > 2u) store_element(type, base, first + 2u, values.z);
  if (valid > 3u) store_element(type, base, first + 3u, values.w);
}

// The byte at base plus index, out of the word that holds it
uint load_byte(uvec2 base, uint index) {
  uint place = index + (base.x & 3u);
  return (Words(word_address(base)).v[place >> 2] >> ((place & 3u) * 8u)) & 0xffu;
}

#endif
