// What kernels apply to single values.
#ifndef WEFT_ACTIVATION_GLSL
#define WEFT_ACTIVATION_GLSL

// erf to 1e-7 absolute: two minimax polynomials computed for this file by Remez exchange,
// x P(x^2) up to 1 and 1 - 2^(-Q(x)) above (their own errors: 2e-8 and 2e-9).
float error_function(float x) {
  float size = min(abs(x), 4.0), square = size * size;
  float p = fma(square, -0.00054628815, 0.0048706895);
  p = fma(square, p, -0.026663796);
  p = fma(square, p, 0.11278064);
  p = fma(square, p, -0.37611938);
  p = size * fma(square, p, 1.12837887);
  float q = fma(size, -0.00026772182, 0.0042409101);
  q = fma(size, q, -0.03145824);
  q = fma(size, q, 0.14865112);
  q = fma(size, q, 0.92076546);
  q = fma(size, q, 1.62597477);
  q = fma(size, q, 0.00051036908);
  float result = size < 1.0 ? p : 1.0 - exp2(-q);
  return x < 0.0 ? -result : result;
}

float activate(uint kind, float x) {
  const float log2_e = 1.44269504088896341;
  if (kind == WEFT_ACTIVATION_RELU) return max(x, 0.0);
  if (kind == WEFT_ACTIVATION_SILU) return x / (1.0 + exp2(-log2_e * x));
  if (kind == WEFT_ACTIVATION_GELU) {
    return 0.5 * x * (1.0 + error_function(0.707106781186547524 * x));
  }
  if (kind == WEFT_ACTIVATION_GELU_TANH) {
    // (1 + tanh y) / 2 = 1 / (1 + exp(-2 y))
    float y = 0.797884560802865356 * x * fma(0.044715 * x, x, 1.0);
    return x / (1.0 + exp2(-2.0 * log2_e * y));
  }
  if (kind == WEFT_ACTIVATION_QUICK_GELU) return x / (1.0 + exp2(-1.702 * log2_e * x));
  return x;
}

#endif
