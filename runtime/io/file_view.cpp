// One of three ways to see a file's bytes: POSIX mapping, Windows mapping, or a plain copy.
#include "io/file.hpp"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#elif defined(__unix__) || defined(__APPLE__)
#define WEFT_HAS_MMAP 1
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#endif

#include <limits>
#include <system_error>

namespace weft::io {
namespace {

std::unexpected<Error> cannot_open(const std::string& operation, const std::string& path,
                                   const std::string& why) {
  return fail(Code::invalid_argument, operation + ": " + path + ": " + why);
}

}  // namespace

#if defined(_WIN32)

Result<std::shared_ptr<const FileView>> FileView::open(const std::string& operation,
                                                       const std::string& path) {
  WEFT_TRY(check_path(operation, path));
  const auto failed = [&] {
    const std::error_code error(static_cast<int>(GetLastError()), std::system_category());
    return cannot_open(operation, path, error.message());
  };
  std::shared_ptr<FileView> view(new FileView);
  const HANDLE file = CreateFileW(to_path(path).c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr,
                                  OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) return failed();
  const std::unique_ptr<void, BOOL (*)(HANDLE)> file_guard(
      file, +[](HANDLE h) { return CloseHandle(h); });
  LARGE_INTEGER size;
  if (!GetFileSizeEx(file, &size)) return failed();
  if (size.QuadPart == 0) return view;  // an empty file can't be mapped
  if (static_cast<uint64_t>(size.QuadPart) > std::numeric_limits<size_t>::max()) {
    return cannot_open(operation, path, "larger than the address space");
  }
  const HANDLE mapping = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
  if (mapping == nullptr) return failed();
  const void* data = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
  CloseHandle(mapping);  // the view keeps the mapping alive
  if (data == nullptr) return failed();
  view->bytes_ = {static_cast<const std::byte*>(data), static_cast<size_t>(size.QuadPart)};
  return view;
}

FileView::~FileView() {
  if (!bytes_.empty()) UnmapViewOfFile(bytes_.data());
}

#elif defined(WEFT_HAS_MMAP)

namespace {

struct OpenFile {
  int number = -1;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  explicit OpenFile(int file) : number(file) {}
  ~OpenFile() {
    if (number >= 0) ::close(number);
  }
};

std::string last_error() { return std::error_code(errno, std::generic_category()).message(); }

}  // namespace

Result<std::shared_ptr<const FileView>> FileView::open(const std::string& operation,
                                                       const std::string& path) {
  WEFT_TRY(check_path(operation, path));
  // Not blocking, so that opening a pipe without a writer returns and is refused below.
  const OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts = {};
  if (file.number < 0 || ::fstat(file.number, &facts) != 0) {
    return cannot_open(operation, path, last_error());
  }
  if (S_ISDIR(facts.st_mode)) return cannot_open(operation, path, "is a directory, not a file");
  if (!S_ISREG(facts.st_mode)) return cannot_open(operation, path, "is not a regular file");
  const auto size_bytes = static_cast<uint64_t>(facts.st_size);
  if (size_bytes > std::numeric_limits<size_t>::max()) {
    return cannot_open(operation, path, "larger than the address space");
  }
  std::shared_ptr<FileView> view(new FileView);
  if (size_bytes == 0) return view;  // an empty file can't be mapped
  const auto size = static_cast<size_t>(size_bytes);
  const void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (data == MAP_FAILED) return cannot_open(operation, path, last_error());
  view->bytes_ = {static_cast<const std::byte*>(data), size};
  return view;
}

FileView::~FileView() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

#else

Result<std::shared_ptr<const FileView>> FileView::open(const std::string& operation,
                                                       const std::string& path) {
  constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
  std::shared_ptr<FileView> view(new FileView);
  WEFT_ASSIGN(view->copy_, read_file(operation, path, kNoLimit));
  view->bytes_ = std::as_bytes(std::span(view->copy_));
  return view;
}

FileView::~FileView() = default;

#endif

}  // namespace weft::io
