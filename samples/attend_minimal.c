// The smallest program, in C: two words look at three patches.
#include <stdio.h>
#include <string.h>
#include <weft.h>

// A tensor of vectors: batch, heads, length, dim.
static weft_status make(weft_device* device, int64_t length, weft_tensor* out, weft_error* error) {
  const int64_t shape[] = {1, 1, length, 4};
  return weft_tensor_create(device, WEFT_DTYPE_F32, 4, shape, WEFT_MEMORY_DEVICE, out, error);
}

static weft_status attend(float result[8], weft_error* error) {
  const float words_data[] = {9, 0, 0, 0, 0, 9, 0, 0};
  const float patches_data[] = {1, 0, 0, 5, 0, 1, 0, 6, 0, 0, 1, 7};
  weft_device* device = NULL;
  weft_tensor words = {.struct_size = sizeof words};
  weft_tensor patches = {.struct_size = sizeof patches};
  weft_tensor output = {.struct_size = sizeof output};
  const weft_attention_call call = {.struct_size = sizeof call,
                                    .query = &words,
                                    .key = &patches,
                                    .value = &patches,
                                    .output = &output};

  weft_status s = weft_device_open(NULL, &device, error);
  if (!s) s = make(device, 2, &words, error);
  if (!s) s = make(device, 3, &patches, error);
  if (!s) s = make(device, 2, &output, error);
  if (!s) s = weft_upload(device, &words, words_data, sizeof words_data, error);
  if (!s) s = weft_upload(device, &patches, patches_data, sizeof patches_data, error);
  if (!s) s = weft_attend(device, &call, error);
  if (!s) s = weft_download(device, &output, result, 8 * sizeof result[0], error);

  weft_buffer_release(words.buffer);
  weft_buffer_release(patches.buffer);
  weft_buffer_release(output.buffer);
  weft_device_release(device);
  return s;
}

int main(int argc, char** argv) {
  if (argc > 1) {
    const int version = strcmp(argv[1], "--version") == 0;
    if (version)
      printf("attend_minimal_c %s\n", weft_version());
    else
      printf("attend_minimal_c: prints what two words see in three patches; --help, --version\n");
    return version || strcmp(argv[1], "--help") == 0 ? 0 : 2;
  }
  float output[8];
  weft_error error;
  if (attend(output, &error) != WEFT_OK) {
    fprintf(stderr, "attend_minimal_c: %s\n", error.message);
    return 2;
  }
  for (int i = 0; i < 8; ++i) printf("%.3f%s", output[i], i % 4 == 3 ? "\n" : " ");
  return 0;
}
