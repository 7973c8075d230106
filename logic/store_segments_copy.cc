// Copies: RocksDB's checkpoint and the log behind it (store_segments.h).
#include <fcntl.h>
#include <rocksdb/db.h>
#include <rocksdb/utilities/checkpoint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>

#include "logic/rocks_listener.h"
#include "logic/rocks_write.h"
#include "logic/store_segments.h"
#include "shared/limits.h"
#include "shared/log.h"

namespace ims::logic {
namespace {

constexpr std::size_t kCopyBytes = 1 * kMiB;

// The first `bytes` of a file, into a new one.
bool copy_file(const std::string& from, const std::string& to, std::uint64_t bytes) {
  const int in = open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = open(to.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  bool copied = in >= 0 && out >= 0;
  std::string buffer(kCopyBytes, '\0');
  for (std::uint64_t done = 0; copied && done < bytes;) {
    const ssize_t got = pread(in, buffer.data(), std::min<std::uint64_t>(kCopyBytes, bytes - done),
                              static_cast<off_t>(done));
    copied = got > 0 && ::write(out, buffer.data(), static_cast<std::size_t>(got)) == got;
    done += copied ? static_cast<std::uint64_t>(got) : 0;
  }
  copied = copied && fsync(out) == 0;
  if (in >= 0) ::close(in);
  if (out >= 0) ::close(out);
  return copied;
}

}  // namespace

StoreStatus SegmentStore::checkpoint(const std::string& directory) {
  if (listener_->broken()) return StoreStatus::kIoError;
  sealer_->hold_files();
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(database_.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // Never a flush: the log has what the tables' files have not.
  if (status.ok()) status = checkpoint->CreateCheckpoint(directory, UINT64_MAX);
  StoreStatus copied = StoreStatus::kOk;
  if (status.ok()) {
    copied = copy_segments(directory + "/" + kSegmentsFolder);
    if (copied != StoreStatus::kOk) {
      std::error_code ignored;
      std::filesystem::remove_all(directory, ignored);
    }
  } else {
    copied = write_status(status);
  }
  sealer_->release_files();
  if (copied != StoreStatus::kOk) {
    IMS_LOG(kWarn, "store_copy_failed", {{"directory", directory}, {"error", status.ToString()}});
  }
  return copied;
}

// The log is at least as far as RocksDB's copy: what was written before is applied from it.
StoreStatus SegmentStore::copy_segments(const std::string& to) {
  const std::uint64_t published = published_.load(std::memory_order_acquire);
  const auto active = static_cast<std::uint32_t>(published >> 32);
  if (mkdir(to.c_str(), 0700) != 0) return status_of_errno(errno);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    const std::uint32_t number = parse_segment_name(name);
    if (number == 0 || number > active) continue;
    const std::string copy = to + "/" + name;
    if (number < active) {
      if (link(entry.path().c_str(), copy.c_str()) != 0 && errno != ENOENT) {
        return status_of_errno(errno);
      }
    } else if ((published & UINT32_MAX) == 0) {
      continue;  // nothing is in it yet
    } else if (!copy_file(entry.path().string(), copy, published & UINT32_MAX)) {
      return status_of_errno(errno);
    }
  }
  return error ? StoreStatus::kIoError : sync_directory(to);
}

}  // namespace ims::logic
