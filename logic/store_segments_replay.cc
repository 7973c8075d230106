// What a start finds behind the last sealed segment (store_segments.h).
#include <fcntl.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "logic/rocks_open.h"
#include "logic/segment_replay.h"
#include "logic/store_segments.h"

namespace ims::logic {

// Applies what is behind the last sealed segment. RocksDB holds what is its own up to the commit
// that it names.
void SegmentStore::replay(bool accept_loss) {
  const std::uint64_t applied = commits_;
  std::uint64_t expected = sealed_commits_ + 1;
  const std::uint32_t sealed = sealer_->sealed();
  std::vector<std::uint32_t> numbers = list_segments(folder_);
  std::erase_if(numbers, [&](std::uint32_t number) {
    const bool old = number < tables_.first_live.load(std::memory_order_relaxed);
    if (old) unused_.push_back(number);  // a crash between its facts and its file
    return number <= sealed;
  });
  for (std::size_t at = 0; at < numbers.size(); ++at) {
    last_number_ = numbers[at];
    SegmentReplay segment(folder_, numbers[at]);
    const bool is_next = segment.header() && segment.header()->first_commit == expected;
    if (!is_next) {
      if (segment.is_foreign() && !accept_loss) {
        throw StoreError("store: " + folder_ + "/" + segment_name(numbers[at]) +
                         " is not of this imsd's format, or damaged; start the imsd that wrote " +
                         "it, or with --accept-loss to go on without it");
      }
      if (segment.header()) {
        proven_commits_ = std::max(proven_commits_, segment.header()->first_commit - 1);
      }
      unused_.push_back(numbers[at]);
      continue;
    }
    const std::uint64_t void_from =
        std::min(last_commit_ + 1, next_first_commit(folder_, numbers, at));
    Recovered recovered;
    recovered.index = std::make_unique<SegmentIndex>(numbers[at], last_timelines_, last_points_);
    while (const auto record = segment.next(expected, void_from)) {
      batch_->Clear();
      apply_.begin();
      apply_.others(*recovered.index, record->body, *batch_);
      apply_.index(*recovered.index, record->body, record->body_offset);
      if (record->commit > applied && batch_->Count() > 0) {
        commits_ = record->commit - 1;  // write_rocks() writes the next
        if (write_rocks() != StoreStatus::kOk) {
          throw StoreError("store: cannot recover " + directory_ +
                           "; see the log for the disk's error");
        }
      }
      recovered.last_commit = record->commit;
      ++expected;
    }
    proven_commits_ = std::max(proven_commits_, segment.durable_behind(expected, void_from));
    if (segment.end() == 0) {
      unused_.push_back(numbers[at]);
      continue;
    }
    recovered.bytes = segment.end();
    last_timelines_ = recovered.index->timelines();
    last_points_ = recovered.index->points();
    files_.open(numbers[at]);
    recovered_.push_back(std::move(recovered));
  }
  commits_ = expected - 1;
  if (last_commit_ != kUnknownCommit && commits_ != last_commit_) {
    throw StoreError("store: " + directory_ + " had " + std::to_string(last_commit_) +
                     " commits, the log can be read up to " + std::to_string(commits_));
  }
  if (commits_ < applied) proven_commits_ = std::max(proven_commits_, applied);
}

// What the log's own records, a later segment or the tables prove to have been durable and is gone:
// never a torn tail. Once the commit floor had its say, which is often behind.
void SegmentStore::refuse_loss(const StoreOptions& options) {
  if (proven_commits_ <= commits_) return;
  const std::uint64_t lost = proven_commits_ - commits_;
  lose_commits(directory_, commits_, lost,
               "the log can be read up to " + std::to_string(commits_) + ", " +
                   std::to_string(proven_commits_) + " were synced",
               options.accept_loss);
  lost_commits_ = std::max(lost_commits_, lost);
  batch_->Clear();
  put_commits(commits_);
  write_and_flush();
}

// What is behind the recovered end will never be looked at again.
void SegmentStore::drop_tail() {
  for (const Recovered& recovered : recovered_) {
    SegmentFile file;
    file.path = folder_ + "/" + segment_name(recovered.index->number());
    file.fd = ::open(file.path.c_str(), O_RDWR | O_CLOEXEC);
    const bool cut = file.fd >= 0 &&
                     io_.truncate(file.path, file.fd, recovered.bytes) == StoreStatus::kOk &&
                     io_.sync(file.path, file.fd) == StoreStatus::kOk;
    close_segment(file);
    if (!cut) throw StoreError("store: cannot write " + file.path);
  }
  for (const std::uint32_t number : unused_) {
    files_.forget(number);
    unlink((folder_ + "/" + segment_name(number)).c_str());
  }
  unused_.clear();
  if (sync_directory(folder_) != StoreStatus::kOk) {
    throw StoreError("store: cannot sync the directory " + folder_);
  }
}

}  // namespace ims::logic
