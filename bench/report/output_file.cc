// Writing beside and renaming (output_file.h).
#include "bench/report/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string_view>

namespace ims::bench {
namespace {

[[noreturn]] void fail(const std::string& path) {
  throw std::runtime_error("cannot write " + path + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const noexcept { return fd_; }
  bool close() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return ::close(fd) == 0;
  }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

// What the path leads to, links followed: the file to be replaced, not a link to it.
std::string place_of(const std::string& path) {
  std::error_code error;
  const std::filesystem::path place = std::filesystem::canonical(path, error);
  return error ? path : place.string();
}

// There, and nothing that a rename may replace.
bool is_written_in_place(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return false;
  if (S_ISDIR(status.st_mode)) {
    errno = EISDIR;
    fail(path);
  }
  return !S_ISREG(status.st_mode);
}

std::string name_beside(const std::string& place) {
  return place + ".part-" + std::to_string(getpid());
}

int create_beside(const std::string& place) {
  return open(name_beside(place).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

// As the file that is replaced, if there is one.
void keep_mode(int fd, const std::string& place) {
  struct stat status {};
  if (stat(place.c_str(), &status) == 0) fchmod(fd, status.st_mode & 07777);
}

}  // namespace

void try_output(const std::string& path) {
  if (is_written_in_place(path)) {
    if (access(path.c_str(), W_OK) != 0) fail(path);
    return;
  }
  const std::string place = place_of(path);
  const Descriptor file(create_beside(place));
  if (file.get() < 0) fail(path);
  unlink(name_beside(place).c_str());
}

void try_standard_output() {
  const int flags = fcntl(STDOUT_FILENO, F_GETFL);
  if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY) return;
  errno = EBADF;
  fail("standard output");
}

void write_output(const std::string& path, const std::string& text) {
  if (is_written_in_place(path)) {
    Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.get() < 0 || !write_all(file.get(), text) || !file.close()) fail(path);
    return;
  }
  const std::string place = place_of(path);
  Descriptor file(create_beside(place));
  if (file.get() < 0) fail(path);
  keep_mode(file.get(), place);
  if (write_all(file.get(), text) && file.close() &&
      rename(name_beside(place).c_str(), place.c_str()) == 0) {
    return;
  }
  const int error = errno;
  unlink(name_beside(place).c_str());
  errno = error;
  fail(path);
}

void write_standard_output(const std::string& text) {
  const bool flushed = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;  // before it: in order
  if (!flushed || !write_all(STDOUT_FILENO, text)) fail("standard output");
}

// Standard input for writing, the others for reading alone: EBADF, as if they were closed.
void keep_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    [[maybe_unused]] const int lowest =
        open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace ims::bench
