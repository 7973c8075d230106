// Directories, RocksDB's errors, the floor (rocks_open.h).
#include "logic/rocks_open.h"

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "logic/big_endian.h"
#include "logic/rocks_options.h"
#include "logic/rocks_write.h"
#include "logic/sys_keys.h"
#include "shared/log.h"

namespace ims::logic {
namespace {

// Of client_ids, made by every store before it was dropped; nothing reads it.
constexpr const char* kDroppedTable = "dedupe";

[[noreturn]] void throw_open_error(const std::string& directory, const rocksdb::Status& status) {
  const std::string text = status.ToString();
  if (status.IsIOError() && text.find("lock") != std::string::npos) {
    throw StoreError("store: " + directory +
                     " is in use by another process; stop the other imsd, or give this one a "
                     "directory of its own");
  }
  if (status.IsCorruption()) {
    throw StoreError("store: " + directory + " is damaged: " + text +
                     "; keep a copy of it and restore a backup");
  }
  throw StoreError("store: cannot open " + directory + ": " + text);
}

[[noreturn]] void throw_foreign(const std::string& directory) {
  throw StoreError("store: " + directory + " holds a database that is not imsd's");
}

}  // namespace

const std::string& make_store_directory(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    throw StoreError("store: cannot make the directory " + directory + ": " + error.message() +
                     "; check the path and who may write there");
  }
  if (access(directory.c_str(), R_OK | W_OK | X_OK) != 0) {
    throw StoreError("store: cannot use the directory " + directory + ": " +
                     std::generic_category().message(errno) +
                     "; it must be readable and writable for the user that imsd runs as");
  }
  return directory;
}

std::unique_ptr<rocksdb::DB> open_rocks(const std::string& directory, const RocksOptions& options,
                                        std::vector<rocksdb::ColumnFamilyHandle*>& handles) {
  std::vector<rocksdb::ColumnFamilyDescriptor> tables = options.tables;
  std::vector<std::string> names;
  const bool listed =
      rocksdb::DB::ListColumnFamilies(options.database, directory, &names).ok();  // else it is new
  const bool drops = listed && std::ranges::find(names, kDroppedTable) != names.end();
  if (drops) tables.emplace_back(kDroppedTable, rocksdb::ColumnFamilyOptions());
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(options.database, directory, tables, &handles, &opened);
  if (!status.ok()) throw_open_error(directory, status);
  std::unique_ptr<rocksdb::DB> database(opened);
  if (!drops) return database;
  const rocksdb::Status dropped = database->DropColumnFamily(handles.back());
  delete handles.back();
  handles.pop_back();
  if (dropped.ok()) return database;
  rocksdb::CancelAllBackgroundWork(database.get(), true);
  for (rocksdb::ColumnFamilyHandle* family : handles) delete family;
  throw_open_error(directory, dropped);
}

std::unique_ptr<rocksdb::DB> open_rocks_copy(const std::string& directory, RocksOptions& options,
                                             std::vector<rocksdb::ColumnFamilyHandle*>& handles) {
  options.database.create_if_missing = false;
  rocksdb::DB* database = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options.database, directory,
                                                              options.tables, &handles, &database);
  if (!status.ok()) {
    throw StoreError("store: cannot open the copy " + directory + ": " + status.ToString());
  }
  return std::unique_ptr<rocksdb::DB>(database);
}

void check_copy_format(Store& copy, const std::string& directory) {
  std::string value;
  if (copy.get(Table::kMeta, kSysFormat, &value, ReadTier::kMayBlock) == StoreStatus::kOk &&
      value.size() == sizeof kStoreFormat) {
    const auto format = read_big_endian<std::uint32_t>(value);
    if (format >= kStoreFormatMin && format <= kStoreFormat) return;
  }
  throw StoreError("store: the copy " + directory + " is not of format " +
                   std::to_string(kStoreFormat));
}

std::uint32_t read_store_format(const std::string& value, const std::string& directory) {
  if (value.size() != sizeof kStoreFormat) throw_foreign(directory);
  const auto format = read_big_endian<std::uint32_t>(value);
  if (format >= kStoreFormatMin && format <= kStoreFormat) return format;
  throw StoreError("store: " + directory + " has format " + std::to_string(format) +
                   ", this imsd reads and writes format " + std::to_string(kStoreFormat) +
                   (format > kStoreFormat ? "; start the newer imsd that wrote it" : ""));
}

void check_empty(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* table,
                 const std::string& directory) {
  const std::unique_ptr<rocksdb::Iterator> rows(
      database.NewIterator(rocksdb::ReadOptions(), table));
  rows->SeekToFirst();
  if (rows->Valid() || !rows->status().ok()) throw_foreign(directory);
}

std::uint64_t check_commit_floor(CommitFloor& floor, std::uint64_t commits, bool accept_loss,
                                 const std::string& directory) {
  const std::uint64_t least = floor.read();
  if (commits >= least) return 0;
  lose_commits(directory, commits, least - commits,
               std::to_string(commits) + " recovered, commit_floor says " + std::to_string(least),
               accept_loss);
  floor.write(commits);
  return least - commits;
}

void lose_commits(const std::string& directory, std::uint64_t commits, std::uint64_t lost,
                  const std::string& known_by, bool accept_loss) {
  if (!accept_loss) {
    throw StoreError("store: " + directory + " lost at least " + std::to_string(lost) +
                     " commits that were durable (" + known_by +
                     "); restore a backup, or start with --accept-loss to go on without them");
  }
  IMS_LOG(kError, "store_loss_accepted",
          {{"lost_commits", lost}, {"recovered_commits", commits}});
}

StoreStatus compact_rocks(rocksdb::DB& database,
                          std::span<rocksdb::ColumnFamilyHandle* const> tables) {
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  for (rocksdb::ColumnFamilyHandle* const table : tables) {
    const rocksdb::Status status = database.CompactRange(options, table, nullptr, nullptr);
    if (!status.ok()) return write_status(status);
  }
  return StoreStatus::kOk;
}

}  // namespace ims::logic
