// Sine and cosine to 1e-7 absolute for angles up to 50000 in size; Vulkan asks drivers for 2^-11, and for that up to
// pi only.
#ifndef WEFT_ANGLE_GLSL
#define WEFT_ANGLE_GLSL

void sine_cosine(vec4 angle, out vec4 sine, out vec4 cosine) {
  // Quarter turns are taken off in three parts whose products with their count are exact (8 and 9 bits) or too small
  // to matter; what is left lies within pi / 4, where the series are short.
  vec4 quarters = roundEven(angle * 0.636619772367581343);
  precise vec4 x = angle - quarters * 1.5703125;
  x = x - quarters * 4.8351287841796875e-4;
  x = x - quarters * 3.13916478650434e-7;
  vec4 s = x * x;
  vec4 odd = x + x * s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s * (1.0 / 362880.0))));
  vec4 even =
      1.0 + s * (-0.5 + s * (1.0 / 24.0 + s * (-1.0 / 720.0 + s * (1.0 / 40320.0 - s * (1.0 / 3628800.0)))));
  ivec4 turn = ivec4(quarters);
  bvec4 swapped = notEqual(turn & 1, ivec4(0));
  vec4 sine_size = mix(odd, even, swapped), cosine_size = mix(even, odd, swapped);
  sine = mix(sine_size, -sine_size, notEqual(turn & 2, ivec4(0)));
  cosine = mix(cosine_size, -cosine_size, notEqual((turn + 1) & 2, ivec4(0)));
}

#endif
