// What the engines on disk have besides Store: the commits they hold, copies; the choice of one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "logic/store.h"
#include "logic/store_options.h"
#include "shared/codes.h"

namespace ims::logic {

class DurableStore : public Store {
 public:
  virtual StoreEngine engine() const noexcept = 0;

  // Writes that the store holds, over its whole life.
  virtual std::uint64_t commits() const noexcept = 0;
  // Durable writes that recovery did not find and accept_loss let go.
  virtual std::uint64_t lost_commits() const noexcept = 0;

  // Moves everything into files and rewrites them all, dropping what retention lets go. Blocks; on
  // the thread that writes.
  virtual StoreStatus compact() = 0;

  // Copies what is written by now into `directory`, which must not exist, its parent must: hard
  // links to the files, what is still being written byte by byte. Any thread; writes go on
  // meanwhile. kNoSpace and kIoError are the copy's alone, and leave none. Read it with
  // open_store_copy().
  virtual StoreStatus checkpoint(const std::string& directory) = 0;
};

// Makes the directory and the store where there is none. kAuto goes on with the engine that made
// the store and begins a new one with kRocksdb. Throws StoreError; a store that the other engine
// wrote: kSegments takes over what kRocksdb left, never the other way.
std::unique_ptr<DurableStore> open_store(StoreEngine engine, const std::string& directory,
                                         const StoreOptions& options);
// What made the store there; kAuto: there is none.
StoreEngine engine_of_store(const std::string& directory);
// By the engine that wrote it. Throws StoreError.
std::unique_ptr<Store> open_store_copy(const std::string& directory, const StoreOptions& options);

}  // namespace ims::logic
