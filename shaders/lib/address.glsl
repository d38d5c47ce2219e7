// Device addresses as two 32-bit words, low word first: no 64-bit integers are asked of the device.
#ifndef WEFT_ADDRESS_GLSL
#define WEFT_ADDRESS_GLSL

uvec2 address_add(uvec2 address, uvec2 bytes) {
  uint carry;
  uint low = uaddCarry(address.x, bytes.x, carry);
  return uvec2(low, address.y + bytes.y + carry);
}

uvec2 address_add(uvec2 address, uint bytes) { return address_add(address, uvec2(bytes, 0u)); }

// address + stride * count, the stride a 64-bit count of bytes
uvec2 address_step(uvec2 address, uvec2 stride, uint count) {
  uint high, low;
  umulExtended(stride.x, count, high, low);
  return address_add(address, uvec2(low, high + stride.y * count));
}

// Where the slice of one batch item and head begins
uvec2 slice_address(uvec2 address, uvec2 stride_batch, uint batch, uvec2 stride_head, uint head) {
  return address_step(address_step(address, stride_batch, batch), stride_head, head);
}

// address + stride * count elements of 2^shift bytes
uvec2 address_row(uvec2 address, uint stride, uint count, uint shift) {
  uint high, low;
  umulExtended(stride, count, high, low);
  return address_add(address, uvec2(low << shift, (high << shift) | (low >> 16 >> (16u - shift))));
}

bool address_is_null(uvec2 address) { return (address.x | address.y) == 0u; }

#endif
