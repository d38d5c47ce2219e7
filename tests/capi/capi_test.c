// The C ABI from C11: every function, with results against plain loops. Exit status 0 if all checks
// hold.
#include "check.h"
#include "weft/version.hpp"  // preprocessor only

weft_error error;
weft_device* device;
static int checks, failures;

int check_at(int good, const char* file, int line, const char* what) {
  ++checks;
  if (good) return 1;
  ++failures;
  printf("%s:%d: failed: %s\n", file, line, what);
  return 0;
}

int must_at(weft_status status, const weft_error* e, const char* file, int line, const char* what) {
  const int good = status == WEFT_OK && e->code == WEFT_OK && e->message[0] == '\0';
  if (!check_at(good, file, line, what)) printf("  %s: %s\n", weft_status_name(status), e->message);
  return good;
}

int refused_at(weft_status status, weft_status wanted, const char* part, const char* file,
               int line) {
  const int good = status == wanted && error.code == wanted && strstr(error.message, part) != NULL;
  if (!check_at(good, file, line, part))
    printf("  wanted %s, found %s: %s\n", weft_status_name(wanted), weft_status_name(status),
           error.message);
  return good;
}

static weft_tensor* tensors[256];
static size_t tensor_count;

weft_tensor* make_tensor(weft_dtype dtype, uint32_t rank, const int64_t* shape, const void* data) {
  weft_tensor* tensor = calloc(1, sizeof *tensor);
  if (!tensor || tensor_count == sizeof tensors / sizeof tensors[0]) abort();
  tensor->struct_size = sizeof *tensor;
  tensors[tensor_count++] = tensor;
  if (!MUST(weft_tensor_create(device, dtype, rank, shape, WEFT_MEMORY_DEVICE, tensor, &error)))
    exit(1);
  const uint64_t bytes = bytes_of(tensor);
  void* zeros = calloc(1, bytes + 1);
  MUST(weft_upload(device, tensor, data ? data : zeros, bytes, &error));
  free(zeros);
  return tensor;
}

void free_tensors(void) {
  for (size_t i = 0; i < tensor_count; ++i) {
    weft_buffer_release(tensors[i]->buffer);
    free(tensors[i]);
  }
  tensor_count = 0;
}

uint64_t bytes_of(const weft_tensor* tensor) {
  static const uint64_t size[] = {4, 2, 2, 4, 1};
  uint64_t bytes = size[tensor->dtype];
  for (uint32_t i = 0; i < tensor->rank; ++i) bytes *= (uint64_t)tensor->shape[i];
  return bytes;
}

void get(const weft_tensor* tensor, void* data) {
  MUST(weft_download(device, tensor, data, bytes_of(tensor), &error));
}

void fill(float* data, size_t count, uint32_t seed) {
  for (size_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    data[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
  }
}

int close_to(const float* found, const float* wanted, size_t count, float tolerance) {
  for (size_t i = 0; i < count; ++i)
    if (!(fabsf(found[i] - wanted[i]) <= tolerance) && found[i] != wanted[i]) {
      printf("  element %zu is %g, wanted %g\n", i, found[i], wanted[i]);
      return 0;
    }
  return 1;
}

static void test_version(void) {
  CHECK(weft_abi_version() == WEFT_ABI_VERSION);
  CHECK(strcmp(weft_version(), WEFT_VERSION) == 0);
  static const char* names[] = {"ok",          "invalid_argument", "unsupported", "out_of_memory",
                                "device_lost", "no_device",        "timeout",     "internal"};
  for (int i = 0; i < 8; ++i) CHECK(strcmp(weft_status_name(i), names[i]) == 0);
  CHECK(strcmp(weft_status_name(8), "unknown") == 0);
  CHECK(strcmp(weft_status_name(-1), "unknown") == 0);
}

static void test_devices(void) {
  weft_traits mine = {.struct_size = sizeof mine};
  MUST(weft_device_traits(device, &mine, &error));
  CHECK(mine.name[0] != '\0' && mine.driver_name[0] != '\0' && mine.quirks &&
        mine.why_not[0] == '\0');
  CHECK(mine.type >= WEFT_DEVICE_TYPE_OTHER && mine.type <= WEFT_DEVICE_TYPE_CPU);
  CHECK(mine.api_version >> 22 == 1 && mine.max_allocation_bytes > 0 &&
        mine.max_workgroup_invocations >= 128);

  weft_device_list* list = NULL;
  MUST(weft_device_list_create(&list, &error));
  int found = 0;
  for (uint32_t i = 0; i < weft_device_list_count(list); ++i) {
    weft_traits traits = {.struct_size = sizeof traits};
    MUST(weft_device_list_traits(list, i, &traits, &error));
    if (strcmp(traits.name, mine.name) != 0) continue;
    ++found;
    CHECK(traits.why_not[0] == '\0' && traits.type == mine.type &&
          traits.vendor_id == mine.vendor_id);
    CHECK(memcmp(traits.pipeline_cache_uuid, mine.pipeline_cache_uuid, 16) == 0);
  }
  CHECK(found >= 1);
  WRONG("weft_device_list_traits: index is",
        weft_device_list_traits(list, weft_device_list_count(list), &mine, &error));
  weft_device_list_release(list);

  weft_device* none = device;
  const weft_device_options options = {.struct_size = sizeof options, .name = "no such device"};
  REFUSED(WEFT_NO_DEVICE, "none matches \"no such device\"",
          weft_device_open(&options, &none, &error));
  CHECK(none == NULL);

  // A message that is too long is cut between two characters.
  char name[4001] = {0};
  for (int shift = 0; shift < 2; ++shift) {
    name[0] = 'x';
    for (int i = shift; i < 4000 - shift; ++i) name[i] = "\xc3\xa9"[(i - shift) % 2];
    name[4000 - shift] = '\0';
    const weft_device_options long_name = {.struct_size = sizeof long_name, .name = name};
    REFUSED(WEFT_NO_DEVICE, "none matches", weft_device_open(&long_name, &none, &error));
    const size_t length = strlen(error.message);
    CHECK(length >= 2041 && length <= 2043 &&
          strcmp(error.message + length - 5, "\xc3\xa9...") == 0);
  }
}

static void count_log(void* user, weft_log_level level, const char* message) {
  if (level == WEFT_LOG_WARNING && strstr(message, "pipeline cache: no folder")) ++*(int*)user;
}

static void test_log(void) {
  const char* path = "capi_test_file";  // a file, where a folder is asked for
  FILE* file = fopen(path, "w");
  CHECK(file != NULL);
  if (file) fclose(file);
  int warnings = 0;
  weft_device* other = NULL;
  weft_device_options options = {.struct_size = sizeof options,
                                 .cache_dir = "capi_test_file/cache",
                                 .log = count_log,
                                 .log_user = &warnings};
  MUST(weft_device_open(&options, &other, &error));
  CHECK(warnings == 1);
  weft_device_release(other);
  options.log = NULL;
  MUST(weft_device_open(&options, &other, &error));
  CHECK(warnings == 1);
  weft_device_release(other);
  remove(path);
}

static void test_buffers(void) {
  weft_buffer* buffer = NULL;
  MUST(weft_buffer_create(device, 1000, WEFT_MEMORY_UPLOAD, &buffer, &error));
  CHECK(weft_buffer_size_bytes(buffer) == 1000);
  unsigned char* mapped = weft_buffer_mapped(buffer);
  if (!CHECK(mapped != NULL)) return;
  for (int i = 0; i < 1000; ++i) mapped[i] = (unsigned char)i;

  // The buffer lives on its second reference; a dense tensor of bytes reaches a range of it.
  CHECK(weft_buffer_retain(buffer) == buffer);
  weft_buffer_release(buffer);
  weft_tensor range = {.struct_size = sizeof range,
                       .dtype = WEFT_DTYPE_U8,
                       .buffer = buffer,
                       .offset_bytes = 300,
                       .rank = 1,
                       .shape = {100}};
  unsigned char bytes[100];
  MUST(weft_download(device, &range, bytes, sizeof bytes, &error));
  CHECK(bytes[0] == (unsigned char)300 && bytes[99] == (unsigned char)399);
  memset(bytes, 7, sizeof bytes);
  MUST(weft_upload(device, &range, bytes, sizeof bytes, &error));
  CHECK(mapped[299] == (unsigned char)299 && mapped[300] == 7 && mapped[399] == 7);
  CHECK(mapped[400] == (unsigned char)400);
  weft_buffer_release(buffer);

  REFUSED(WEFT_OUT_OF_MEMORY, "buffer of",
          weft_buffer_create(device, UINT64_MAX / 2, WEFT_MEMORY_DEVICE, &buffer, &error));
  CHECK(buffer == NULL);
  weft_tensor* empty = TENSOR(WEFT_DTYPE_F32, NULL, 0, 4);
  MUST(weft_upload(device, empty, NULL, 0, &error));
  CHECK(empty->strides[0] == 4 && empty->strides[1] == 1 && empty->layout == WEFT_LAYOUT_STRIDED);
  free_tensors();
}

// Handles in any order: what was made from a device keeps it open.
static void test_release_order(void) {
  weft_device* other = NULL;
  MUST(weft_device_open(NULL, &other, &error));
  CHECK(weft_device_retain(other) == other);
  weft_device_release(other);
  weft_buffer* buffer = NULL;
  MUST(weft_buffer_create(other, 64, WEFT_MEMORY_UPLOAD, &buffer, &error));
  weft_device_release(other);
  memset(weft_buffer_mapped(buffer), 1, 64);
  weft_buffer_release(buffer);
}

int main(void) {
  const weft_device_options options = {.struct_size = sizeof options,
                                       .flags = WEFT_DEVICE_VALIDATION};
  if (!MUST(weft_device_open(&options, &device, &error))) return 1;
  test_version();
  test_devices();
  test_log();
  test_buffers();
  test_release_order();
  test_attention();
  test_ops();
  test_recorder();
  test_structs();
  test_wrong_calls();
  test_blocks();
  test_block_structs();
  test_wrong_blocks();
  test_families();
  test_tune();
  test_allocators();
  MUST(weft_device_wait_idle(device, &error));
  MUST(weft_device_save_pipeline_cache(device, &error));
  CHECK(weft_device_validation_messages(device) == 0);
  weft_device_release(device);
  printf("%d checks, %d failed\n", checks, failures);
  return failures != 0;
}
