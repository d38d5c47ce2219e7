// Header and library belong together, and the C++ behind the library is linked.
#include <stdio.h>
#include <string.h>
#include <weft.h>

int main(void) {
  printf("weft %s, ABI %u\n", weft_version(), (unsigned)weft_abi_version());
  if (weft_abi_version() != WEFT_ABI_VERSION) return 1;
  return strcmp(weft_status_name(WEFT_NO_DEVICE), "no_device") == 0 ? 0 : 1;
}
