// Reading and writing tensors through device addresses. Elements are f32, f16 or bf16; 16-bit ones are read as
// 32-bit words, so that no device feature is needed, or as 16-bit values where WEFT_NATIVE16 says so.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_int16 : require
#endif

layout(buffer_reference, std430, buffer_reference_align = 4) buffer Words { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer Floats { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer Ints { int v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Floats4 { vec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer Halves4 { uvec2 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) writeonly buffer OutFloats { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) writeonly buffer OutFloats4 { vec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) writeonly buffer OutHalves4 { uvec2 v[]; };
#ifdef WEFT_NATIVE16
layout(buffer_reference, std430, buffer_reference_align = 2) buffer Halves { uint16_t v[]; };
#endif

// address + bytes, both 64 bits, low word first
uvec2 address_add(uvec2 address, uvec2 bytes) {
  uint carry;
  const uint low = uaddCarry(address.x, bytes.x, carry);
  return uvec2(low, address.y + bytes.y + carry);
}

// address + index * stride, stride being 64 bits
uvec2 address_at(uvec2 address, uint index, uvec2 stride) {
  uint high, low;
  umulExtended(index, stride.x, high, low);
  return address_add(address, uvec2(low, high + index * stride.y));
}

float half_bits_to_float(uint bits, uint type) {
  return type == WEFT_TYPE_F16 ? unpackHalf2x16(bits).x : uintBitsToFloat(bits << 16);
}

// Round to nearest even; packHalf2x16 may round otherwise.
uint float_to_f16_bits(float value) {
  const uint bits = floatBitsToUint(value);
  const uint sign = bits >> 16 & 0x8000u;
  const uint magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // 65520 and above round to infinity
  if (magnitude < 0x38800000u)                          // below 2^-14: a multiple of 2^-24
    return sign | uint(roundEven(uintBitsToFloat(magnitude) * 16777216.0));
  const uint odd = magnitude >> 13 & 1u;
  return sign | (magnitude - 0x38000000u + 0xfffu + odd) >> 13;
}

uint float_to_bf16_bits(float value) {
  const uint bits = floatBitsToUint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return bits >> 16 | 0x40u;
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

uint float_to_half_bits(float value, uint type) {
  return type == WEFT_TYPE_F16 ? float_to_f16_bits(value) : float_to_bf16_bits(value);
}

// One element.
float load(uvec2 address, uint index, uint type) {
  if (type == WEFT_TYPE_F32) return Floats(address).v[index];
#ifdef WEFT_NATIVE16
  return half_bits_to_float(uint(Halves(address).v[index]), type);
#else
  // The address may lie in the middle of a word.
  const uint shifted = index + (address.x >> 1 & 1u);
  const uint word = Words(uvec2(address.x & ~3u, address.y)).v[shifted >> 1];
  return half_bits_to_float(word >> (16u * (shifted & 1u)) & 0xffffu, type);
#endif
}

// Elements 4 index to 4 index + 3; the address must be aligned to four elements.
vec4 load4(uvec2 address, uint index, uint type) {
  if (type == WEFT_TYPE_F32) return Floats4(address).v[index];
  const uvec2 words = Halves4(address).v[index];
  if (type == WEFT_TYPE_F16) return vec4(unpackHalf2x16(words.x), unpackHalf2x16(words.y));
  return vec4(uintBitsToFloat(words.x << 16), uintBitsToFloat(words.x & 0xffff0000u),
              uintBitsToFloat(words.y << 16), uintBitsToFloat(words.y & 0xffff0000u));
}

// Elements 4 group to 4 group + 3 of a row that starts at element `row` and has `dim`; zeros from there on.
// `aligned`: rows start on four elements and dim is a multiple of 4.
vec4 load_group(uvec2 address, uint row, uint group, uint dim, uint type, bool aligned) {
  const uint first = 4 * group;
  if (aligned) return first < dim ? load4(address, (row >> 2) + group, type) : vec4(0);
  vec4 result = vec4(0);
  if (first < dim) result.x = load(address, row + first, type);
  if (first + 1 < dim) result.y = load(address, row + first + 1, type);
  if (first + 2 < dim) result.z = load(address, row + first + 2, type);
  if (first + 3 < dim) result.w = load(address, row + first + 3, type);
  return result;
}

void store(uvec2 address, uint index, float value, uint type) {
  if (type == WEFT_TYPE_F32) {
    OutFloats(address).v[index] = value;
    return;
  }
  const uint bits = float_to_half_bits(value, type);
#ifdef WEFT_NATIVE16
  Halves(address).v[index] = uint16_t(bits);
#else
  // The other half of the word may belong to another invocation.
  const uint shifted = index + (address.x >> 1 & 1u);
  const uint shift = 16u * (shifted & 1u);
  Words words = Words(uvec2(address.x & ~3u, address.y));
  atomicAnd(words.v[shifted >> 1], ~(0xffffu << shift));
  atomicOr(words.v[shifted >> 1], bits << shift);
#endif
}

// The counterpart of load_group; elements from `dim` on are not written.
void store_group(uvec2 address, uint row, uint group, vec4 value, uint dim, uint type, bool aligned) {
  const uint first = 4 * group;
  if (aligned) {
    if (first >= dim) return;
    if (type == WEFT_TYPE_F32) {
      OutFloats4(address).v[(row >> 2) + group] = value;
    } else {
      OutHalves4(address).v[(row >> 2) + group] =
          uvec2(float_to_half_bits(value.x, type) | float_to_half_bits(value.y, type) << 16,
                float_to_half_bits(value.z, type) | float_to_half_bits(value.w, type) << 16);
    }
    return;
  }
  if (first < dim) store(address, row + first, value.x, type);
  if (first + 1 < dim) store(address, row + first + 1, value.y, type);
  if (first + 2 < dim) store(address, row + first + 2, value.z, type);
  if (first + 3 < dim) store(address, row + first + 3, value.w, type);
}

// A byte of a boolean mask.
bool load_flag(uvec2 address, uint index) {
  const uint shifted = index + (address.x & 3u);
  const uint word = Words(uvec2(address.x & ~3u, address.y)).v[shifted >> 2];
  return (word >> (8u * (shifted & 3u)) & 0xffu) != 0u;
}
