// Reading them (segment_facts.h).
#include "logic/segment_facts.h"

#include "logic/rocks_read.h"

namespace ims::logic {

StoreStatus read_segment_facts(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* meta,
                               std::vector<SegmentFacts>& found) {
  class Facts final : public RowVisitor {
   public:
    explicit Facts(std::vector<SegmentFacts>& all) : all_(all) {}
    bool on_row(std::string_view key, std::string_view value) override {
      if (const auto facts = decode_segment_facts(key, value)) all_.push_back(*facts);
      return true;
    }

   private:
    std::vector<SegmentFacts>& all_;
  };
  Facts facts(found);
  return rocks_scan(database, meta, segment_facts_key(0), segment_facts_key(UINT32_MAX), false,
                    ReadTier::kMayBlock, facts);
}

}  // namespace ims::logic
