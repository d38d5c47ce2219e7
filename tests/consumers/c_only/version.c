// Header and libraries belong together, and the C++ behind them is linked.
#include <stdio.h>
#include <string.h>
#include <weft.h>
#include <weft/checkpoint.h>

int main(void) {
  printf("weft %s, ABI %u\n", weft_version(), (unsigned)weft_abi_version());
  if (weft_abi_version() != WEFT_ABI_VERSION) return 1;
  weft_checkpoint* checkpoint = NULL;
  if (weft_checkpoint_open("no such file", &checkpoint, NULL) != WEFT_INVALID_ARGUMENT) return 1;
  return strcmp(weft_status_name(WEFT_NO_DEVICE), "no_device") == 0 ? 0 : 1;
}
