// Source: RocksDB 7.8.3 (include/rocksdb/options.h, db/error_handler.cc,
// db/db_impl/db_impl_write.cc).
#include "logic/rocks_options.h"

#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <utility>

#include "logic/rocks_logger.h"
#include "logic/segment_extents.h"
#include "logic/store.h"

namespace ims::logic {
namespace {

constexpr int kBloomBitsPerKey = 10;         // 1 % false positives
constexpr std::size_t kRowBlockBytes = 16 * kKiB;
constexpr std::size_t kPointBlockBytes = 4 * kKiB;
constexpr std::uint64_t kBuffersMin = 512 * kKiB;  // four tables' smallest memtables
constexpr std::uint64_t kDaySeconds = 86'400;
constexpr std::uint64_t kHourSeconds = 3'600;

}  // namespace

RocksOptions::RocksOptions(const StoreOptions& options, std::shared_ptr<RocksListener> listener,
                           Use use)
    : cache_bytes_(options.block_cache_bytes),
      cache_(rocksdb::NewLRUCache(options.block_cache_bytes)) {
  set_database(options, std::move(listener), use);
  set_tables(options, use);
}

void RocksOptions::reserve(std::uint64_t bytes) {
  cache_->SetCapacity(cache_bytes_ - std::min(bytes, cache_bytes_ / 2));
}

void RocksOptions::set_database(const StoreOptions& options,
                                std::shared_ptr<RocksListener> listener, Use use) {
  database.env = options.env != nullptr ? options.env : rocksdb::Env::Default();
  database.create_if_missing = true;
  database.create_missing_column_families = true;
  database.info_log = std::make_shared<RocksLogger>();
  if (listener) database.listeners = {std::move(listener)};

  // Errors: every one stops writes (paranoid_checks); none is retried behind our back.
  database.paranoid_checks = true;
  database.max_bgerror_resume_count = 0;

  // All tables are flushed together. Otherwise a crash between two tables' flushes of a recovery
  // from a full disk would bring back half of the write that had failed: the WAL is replayed only
  // into the tables that were not flushed yet.
  database.atomic_flush = true;

  // A WAL's tail that a power cut tore was never acknowledged: recovery ends before it. It would
  // also end, silently, at damage in the middle; the commit counter shows that (commit_floor.h).
  // kTolerateCorruptedTailRecords would refuse to open where pages reached the disk out of order.
  database.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  database.recycle_log_file_num = 0;  // not safe with the mode above (db_impl_open.cc)
  // It would write the manifest after the memtable: a failure there keeps a failed write.
  database.track_and_verify_wals_in_manifest = false;
  database.max_total_wal_size = std::max<std::uint64_t>(256 * kMiB, 2 * options.write_buffer_bytes);
  database.avoid_flush_during_shutdown = true;  // the WAL has it
  database.bytes_per_sync = 1 * kMiB;
  database.wal_bytes_per_sync = 1 * kMiB;

  // One writer, the committer.
  database.allow_concurrent_memtable_write = false;
  database.enable_write_thread_adaptive_yield = false;

  database.max_background_jobs = 2;
  database.max_open_files = options.open_files_max;
  // Write buffers are charged to the cache: one bound for all memory of the store. Three
  // quarters of what they may take are the indexes' of segments (SegmentStore::note_memory), whose
  // sealer flushes before RocksDB would (SegmentSealer::flush_full).
  const std::uint64_t buffers = std::min(options.write_buffer_bytes, options.block_cache_bytes / 2);
  const bool segments = use == Use::kSegments;
  write_buffers_max = segments ? std::max<std::uint64_t>(buffers / 4, kBuffersMin) : buffers;
  database.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(
      segments ? 2 * write_buffers_max : write_buffers_max, cache_);
  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
}

void RocksOptions::set_tables(const StoreOptions& options, Use use) {
  const char* const names[kTableCount + 1] = {"default", "rows", "cursors", kExtentsName};
  const bool segments = use == Use::kSegments;
  for (int at = 0; at < kTableCount + (segments ? 1 : 0); ++at) {
    const Table table = static_cast<Table>(at);  // one behind the last: extents
    rocksdb::ColumnFamilyOptions family;
    // The WriteBufferManager decides when to flush; this is only above it.
    family.write_buffer_size = options.write_buffer_bytes;
    family.arena_block_size = static_cast<std::size_t>(
        std::clamp<std::uint64_t>(options.write_buffer_bytes / 64, 4 * kKiB, 1 * kMiB));
    family.compression = rocksdb::kLZ4Compression;
    family.level_compaction_dynamic_level_bytes = true;

    rocksdb::BlockBasedTableOptions blocks;
    blocks.block_cache = cache_;
    blocks.cache_index_and_filter_blocks = true;  // else their memory has no bound
    blocks.pin_l0_filter_and_index_blocks_in_cache = true;
    blocks.format_version = 5;
    blocks.block_size = table == Table::kRows ? kRowBlockBytes : kPointBlockBytes;
    if (table == Table::kMeta) {
      // Point reads that mostly miss: unknown names.
      blocks.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
      family.optimize_filters_for_hits = false;
    }
    family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(blocks));

    // A write comes in the order of its keys (key_order.h): the memtable begins its search where
    // the row before went, one such place for each kind of kMeta key and for each other table. (One
    // for each timeline takes 800 bytes of the memtable, and finding it costs more.)
    family.memtable_insert_with_hint_prefix_extractor.reset(
        rocksdb::NewFixedPrefixTransform(table == Table::kMeta ? 1 : 0));
    if (segments) {
      // A flush for each segment: what is written meanwhile does not wait for it.
      family.max_write_buffer_number = 4;
    }

    const std::int64_t keep_ms = options.retention_ms;
    if (table != Table::kMeta && options.clock != nullptr && keep_ms > 0) {
      filters_.push_back(std::make_unique<RocksRetention>(*options.clock, keep_ms));
      family.compaction_filter = filters_.back().get();
      // Files that no write touches are looked at once in this time.
      const std::uint64_t keep_seconds = static_cast<std::uint64_t>(keep_ms) / 1000;
      family.periodic_compaction_seconds =
          std::clamp(keep_seconds, kHourSeconds, kDaySeconds);
    }
    tables.emplace_back(names[at], family);
  }
}

}  // namespace ims::logic
