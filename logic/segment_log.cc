// Making files, appending records (segment_log.h).
#include "logic/segment_log.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "shared/assert.h"
#include "shared/limits.h"
#include "shared/log.h"

namespace ims::logic {
namespace {

std::array<char, 256 * kKiB> zeros;
constexpr std::uint64_t kZeroPieceBytes = 1 * kMiB;  // that a disk is given at once
static_assert(kZeroPieceBytes % zeros.size() == 0);

std::uint64_t draw_salt() noexcept {
  std::uint64_t salt = 0;
  while (getrandom(&salt, sizeof salt, 0) != sizeof salt) IMS_ASSERT(errno == EINTR);
  return salt;
}

}  // namespace

StoreStatus make_segment(const std::string& directory, SegmentIo& io, std::uint32_t number,
                         std::uint64_t bytes, SegmentFile& made) {
  made.number = number;
  made.bytes = bytes;
  made.path = directory + "/" + segment_name(number);
  made.fd = open(made.path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (made.fd < 0) {
    const int error = errno;
    IMS_LOG(kError, "segment_not_made", {{"path", made.path}, {"errno", error}});
    return status_of_errno(error);
  }
  StoreStatus status = StoreStatus::kOk;
  for (std::uint64_t at = 0; at < bytes && status == StoreStatus::kOk; at += zeros.size()) {
    const iovec part{zeros.data(), std::min<std::uint64_t>(zeros.size(), bytes - at)};
    status = io.write(made.path, made.fd, {&part, 1}, at);
    const std::uint64_t end = at + part.iov_len;
    if (status == StoreStatus::kOk && (end == bytes || end % kZeroPieceBytes == 0)) {
      // A commit beside this waits for one piece, not for all that the kernel would gather.
      const std::uint64_t from = (end - 1) / kZeroPieceBytes * kZeroPieceBytes;
      status = io.write_out(made.path, made.fd, from, end - from);
    }
  }
  if (status == StoreStatus::kOk) status = io.sync(made.path, made.fd);
  if (status == StoreStatus::kOk) status = sync_directory(directory);
  if (status != StoreStatus::kOk) {
    IMS_LOG(kWarn, "segment_not_made",
            {{"path", made.path}, {"no_space", status == StoreStatus::kNoSpace ? 1 : 0}});
    remove_segment(made);
  }
  return status;
}

void close_segment(SegmentFile& file) noexcept {
  if (file.fd >= 0) close(file.fd);
  file.fd = -1;
}

void remove_segment(SegmentFile& file) noexcept {
  if (file.fd < 0) return;
  close_segment(file);
  unlink(file.path.c_str());
}

SegmentFile SegmentLog::activate(SegmentFile file) {
  IMS_ASSERT(!unsynced_);
  std::swap(active_, file);
  salt_ = draw_salt();
  end_ = 0;
  return file;
}

StoreStatus SegmentLog::append(std::uint64_t commit, std::span<iovec> parts,
                               std::uint64_t body_bytes, bool sync, std::uint64_t& body_offset) {
  struct Both {
    SegmentHeader segment;
    CommitHeader record;
  } both;
  const std::uint64_t at = end_or_header();
  both.record.commit = commit;
  both.record.body_bytes = static_cast<std::uint32_t>(body_bytes);
  both.record.flags = unsynced_ ? 0 : kFollowsSynced;
  both.record.hash = hash_record(salt_, at, both.record, parts.subspan(1));
  body_offset = at + sizeof(CommitHeader);
  std::uint64_t from = at;
  if (end_ == 0) {
    both.segment.number = active_.number;
    both.segment.first_commit = commit;
    both.segment.salt = salt_;
    both.segment.hash = hash_header(both.segment);
    from = 0;
    parts[0] = {&both, sizeof both};
  } else {
    parts[0] = {&both.record, sizeof both.record};
  }
  const StoreStatus written = io_.write(active_.path, active_.fd, parts, from);
  if (written != StoreStatus::kOk) return written;
  unsynced_ = true;
  if (sync) {
    const StoreStatus synced = this->sync();
    if (synced != StoreStatus::kOk) return synced;
  }
  end_ = at + record_bytes(body_bytes);
  return StoreStatus::kOk;
}

StoreStatus SegmentLog::sync() {
  if (!unsynced_) return StoreStatus::kOk;
  const StoreStatus status = io_.sync(active_.path, active_.fd);
  // A sync that did not do its work is an error for good, whatever the reason.
  if (status != StoreStatus::kOk) return StoreStatus::kIoError;
  unsynced_ = false;
  return StoreStatus::kOk;
}

}  // namespace ims::logic
