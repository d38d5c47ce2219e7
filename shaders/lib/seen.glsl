// Whether a workgroup sees anything of a step: what every invocation found, put together.
#ifndef WEFT_SEEN_GLSL
#define WEFT_SEEN_GLSL

// The last step of which something is seen, for even and for odd steps, so that one is written while the
// one before is read.
shared uint seen[2];

// Before the first step, and before a barrier; "index" is the invocation's in the workgroup.
void clear_seen(uint index) {
  if (index < 2u) seen[index] = 0u;
}

// Whether some invocation found something of the number-th step, from 1. Its barrier lets all go on together.
bool workgroup_sees(uint number, bool found) {
  if (found) seen[number % 2u] = number;
  barrier();
  return seen[number % 2u] == number;
}

#endif
