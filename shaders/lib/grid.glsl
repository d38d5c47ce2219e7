// Grids and where they end.
#ifndef WEFT_GRID_GLSL
#define WEFT_GRID_GLSL

// The number of this invocation where the host folds a long line of workgroups into x and y.
uint folded_index(uint local_size) {
  uint workgroup = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
  return workgroup * local_size + gl_LocalInvocationID.x;
}

#endif
