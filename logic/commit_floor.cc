// The file of commit_floor.h.
#include "logic/commit_floor.h"

#include <fcntl.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ims::logic {
namespace {

constexpr std::uint64_t kMagic = 0x726f6f6c46736d69;  // "imsFloor"
constexpr std::int64_t kLazyMs = 1000;

struct Note {
  std::uint64_t magic;
  std::uint64_t commits;
  std::uint64_t hash;
};

std::uint64_t hash_of(const Note& note) noexcept {
  return XXH3_64bits(&note, sizeof note.magic + sizeof note.commits);
}

}  // namespace

CommitFloor::CommitFloor(const std::string& directory)
    : fd_(open((directory + "/commit_floor").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {}

CommitFloor::~CommitFloor() {
  if (fd_ >= 0) close(fd_);
}

std::uint64_t CommitFloor::read() const noexcept {
  Note note{};
  if (fd_ < 0 || pread(fd_, &note, sizeof note, 0) != sizeof note) return 0;
  if (note.magic != kMagic || note.hash != hash_of(note)) return 0;
  return note.commits;
}

void CommitFloor::write(std::uint64_t commits) noexcept {
  if (fd_ < 0) return;
  Note note{kMagic, commits, 0};
  note.hash = hash_of(note);
  // One sector, in place: after the first note it needs no space. A failure leaves an older note or
  // a damaged one, and both only prove less.
  [[maybe_unused]] const ssize_t written = pwrite(fd_, &note, sizeof note, 0);
}

void CommitFloor::write_lazily(std::uint64_t commits, std::int64_t mono_ms) noexcept {
  if (mono_ms < next_ms_) return;
  next_ms_ = mono_ms + kLazyMs;
  write(commits);
}

}  // namespace ims::logic
