// tanh to 4e-7 relative where exponentials are exact; that of drivers may overflow on large arguments.
#ifndef WEFT_TANH_GLSL
#define WEFT_TANH_GLSL

vec4 hyperbolic_tangent(vec4 x) {
  vec4 size = abs(x), square = x * x;
  // the series up to x^7, and (1 - exp(-2 x)) / (1 + exp(-2 x)) where that loses no digits
  vec4 series = x * (1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0 - square * (17.0 / 315.0))));
  vec4 decay = exp2(-2.88539008177792681 * size);
  vec4 large = (1.0 - decay) / (1.0 + decay);
  return mix(mix(large, -large, lessThan(x, vec4(0.0))), series, lessThan(size, vec4(0.25)));
}

#endif
