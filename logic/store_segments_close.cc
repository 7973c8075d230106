// Closing (store_segments.h).
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>

#include "logic/rocks_listener.h"
#include "logic/rocks_options.h"
#include "logic/store_segments.h"

namespace ims::logic {

// Once it met a full disk RocksDB ends first: it may have lost a flush that the sealer waits for.
void SegmentStore::stop_sealer() {
  if (listener_->full()) rocksdb::CancelAllBackgroundWork(database_.get(), false);
  if (sealer_ != nullptr) sealer_->stop();
}

void SegmentStore::close_database() {
  stop_sealer();
  sealer_.reset();
  listener_->clear_database();
  rocksdb::CancelAllBackgroundWork(database_.get(), true);  // the listener may hold our handles
  for (rocksdb::ColumnFamilyHandle* family : tables_.tables) delete family;
  database_->Close().PermitUncheckedError();
}

SegmentStore::~SegmentStore() {
  stop_sealer();
  if (!listener_->broken() && !listener_->full()) {
    if (durable_commits_ != commits_ && log_.sync() == StoreStatus::kOk) {
      durable_commits_ = commits_;
    }
    floor_.write(durable_commits_);
  }
  // What it was made for and did not use, and the record of a write that failed.
  SegmentFile& active = log_.active();
  const std::uint64_t end = active_end();
  if (active.fd >= 0 && end == 0 && !listener_->broken()) {
    remove_segment(active);
  } else if (active.fd >= 0) {
    // A failure costs room until the next start, or brings that write back, as a crash may.
    if (!listener_->broken()) static_cast<void>(io_.truncate(active.path, active.fd, end));
    close_segment(active);
  }
  close_database();
}

}  // namespace ims::logic
