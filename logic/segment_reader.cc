// preadv2 and the files (segment_reader.h).
#include "logic/segment_reader.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "logic/segment_format.h"
#include "shared/limits.h"

namespace ims::logic {
namespace {

constexpr std::size_t kGuessBytes = 512;  // of an op whose size is not known

// kOk with fewer bytes than asked for where the file ends.
StoreStatus read_some(int fd, bool no_wait, std::uint64_t offset, std::size_t bytes,
                      std::string& buffer) {
  const std::size_t begin = buffer.size();
  buffer.resize(begin + bytes);
  std::size_t done = 0;
  while (done < bytes) {
    const iovec part{buffer.data() + begin + done, bytes - done};
    const ssize_t got =
        preadv2(fd, &part, 1, static_cast<off_t>(offset + done), no_wait ? RWF_NOWAIT : 0);
    if (got == 0) break;
    if (got < 0) {
      if (errno == EINTR) continue;
      if (no_wait && (errno == EAGAIN || errno == EOPNOTSUPP)) return StoreStatus::kIncomplete;
      return StoreStatus::kIoError;
    }
    done += static_cast<std::size_t>(got);
  }
  buffer.resize(begin + done);
  return StoreStatus::kOk;
}

}  // namespace

SegmentReader::SegmentReader(std::string directory) : directory_(std::move(directory)) {}

SegmentReader::~SegmentReader() {
  for (const auto& [number, file] : files_) close(file.fd);
}

void SegmentReader::open(std::uint32_t number) {
  StoreStatus status{};
  if (File* file = take(number, ReadTier::kMayBlock, status)) give_back(number, file);
}

void SegmentReader::forget(std::uint32_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(number);
  if (found == files_.end()) return;
  if (found->second.readers > 0) {
    found->second.gone = true;
    return;
  }
  close(found->second.fd);
  files_.erase(found);
}

SegmentReader::File* SegmentReader::take(std::uint32_t number, ReadTier tier, StoreStatus& status) {
  const std::lock_guard lock(mutex_);
  auto found = files_.find(number);
  if (found == files_.end()) {
    if (tier == ReadTier::kCacheOnly) {
      status = StoreStatus::kIncomplete;
      return nullptr;
    }
    if (files_.size() >= kOpenSegmentsMax) close_oldest();
    const std::string path = directory_ + "/" + segment_name(number);
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      status = errno == ENOENT ? StoreStatus::kNotFound : StoreStatus::kIoError;
      return nullptr;
    }
    struct statfs facts {};
    const bool in_memory = fstatfs(fd, &facts) == 0 && facts.f_type == TMPFS_MAGIC;
    found = files_.try_emplace(number).first;
    found->second.fd = fd;
    found->second.waits = !in_memory;
  }
  ++found->second.readers;
  found->second.used = ++uses_;
  return &found->second;  // stays where it is: an unordered_map's nodes do
}

void SegmentReader::give_back(std::uint32_t number, File* file) {
  const std::lock_guard lock(mutex_);
  if (--file->readers > 0 || !file->gone) return;
  close(file->fd);
  files_.erase(number);
}

void SegmentReader::close_oldest() {
  auto oldest = files_.end();
  for (auto at = files_.begin(); at != files_.end(); ++at) {
    if (at->second.readers > 0) continue;
    if (oldest == files_.end() || at->second.used < oldest->second.used) oldest = at;
  }
  if (oldest == files_.end()) return;
  close(oldest->second.fd);
  files_.erase(oldest);
}

StoreStatus SegmentReader::read(std::uint32_t number, const SegmentRef& ref, ReadTier tier,
                                std::string& buffer, StoreBatch::OpView& op) {
  StoreStatus status = StoreStatus::kOk;
  File* file = take(number, tier, status);
  if (file == nullptr) return status;
  const bool no_wait = tier == ReadTier::kCacheOnly && file->waits;
  buffer.clear();
  status =
      read_some(file->fd, no_wait, ref.offset, ref.bytes > 0 ? ref.bytes : kGuessBytes, buffer);
  if (status == StoreStatus::kOk && ref.bytes == 0 && !StoreBatch::read_op(buffer, op) &&
      op.bytes > buffer.size()) {
    const std::size_t have = buffer.size();
    status = read_some(file->fd, no_wait, ref.offset + have, op.bytes - have, buffer);
  }
  give_back(number, file);
  if (status != StoreStatus::kOk) return status;
  const bool is_it = StoreBatch::read_op(buffer, op) &&
                     hash_op(std::string_view(buffer).substr(0, op.bytes)) == ref.hash;
  return is_it ? StoreStatus::kOk : StoreStatus::kCorrupt;
}

void SegmentReader::prefetch(std::uint32_t number, const SegmentRef& ref) {
  StoreStatus status{};
  File* file = take(number, ReadTier::kMayBlock, status);
  if (file == nullptr) return;
  posix_fadvise(file->fd, ref.offset, static_cast<off_t>(std::max<std::uint32_t>(ref.bytes, 1)),
                POSIX_FADV_WILLNEED);
  give_back(number, file);
}

}  // namespace ims::logic
