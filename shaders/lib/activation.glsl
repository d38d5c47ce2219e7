// Activations of linear; the formulas stand in params.h.

// erf(x) = 1 - exp(-x^2) t P(t), t = 1 / (1 + p x), for x >= 0:
// Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26 (absolute error 1.5e-7).
float erf(float x) {
  const float a = abs(x);
  const float t = 1.0 / fma(0.3275911, a, 1.0);
  float p = fma(t, 1.061405429, -1.453152027);
  p = fma(t, p, 1.421413741);
  p = fma(t, p, -0.284496736);
  p = fma(t, p, 0.254829592);
  return sign(x) * (1.0 - t * p * exp(-a * a));
}

float activate(float x, uint kind) {
  if (kind == WEFT_ACTIVATION_RELU) return max(x, 0.0);
  if (kind == WEFT_ACTIVATION_SILU) return x / (1.0 + exp(-x));
  if (kind == WEFT_ACTIVATION_GELU) return 0.5 * x * (1.0 + erf(x * 0.70710678118654752));
  if (kind == WEFT_ACTIVATION_GELU_TANH) {
    // 0.5 (1 + tanh(u)) = 1 / (1 + exp(-2u))
    const float u = 0.79788456080286536 * fma(0.044715 * x * x, x, x);
    return x / (1.0 + exp(-2.0 * u));
  }
  return x;
}
