#ifndef WEFT_DOT_GLSL
#define WEFT_DOT_GLSL

float dot_add(vec4 a, vec4 b, float sum) {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

#endif
