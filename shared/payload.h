// Decoding, inner half: Request.payload -> one view per request type (PROTOCOL.md section 3).
// A status other than kOk is BAD_REQUEST; the connection lives. Limits, names and enum ranges are
// the caller's to check: an enum is the int32 of the wire.
//
// Lifetime and rules as in shared/command.h: views into the payload, no allocation, noexcept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "shared/bytes.h"
#include "shared/command.h"

namespace ims {

struct MessageView {
  std::int32_t type = 0;
  ByteView payload;
  std::string_view from;
  std::string_view to;
  std::string_view group;
  std::string_view device;
  ByteView client_id;
  std::uint64_t seq = 0;
  std::uint64_t peer_seq = 0;
  std::int64_t time_ms = 0;
  // The bytes may be passed on as they are, with the server's fields behind them: no field of the
  // server's (from, seq, time_ms, device, peer_seq), no unknown one, none twice. Otherwise encode
  // anew. (Twice would let a client push more bytes than max_message_bytes allows.)
  bool spliceable = false;
};

struct AckView {
  std::string_view group;  // empty: the own inbox
  std::uint64_t seq = 0;
};

struct SyncView {
  std::string_view group;  // empty: the own inbox
  std::uint64_t after_seq = 0;
  std::uint64_t before_seq = 0;
  std::uint32_t limit = 0;
};

struct ContactRequestView {
  std::int32_t op = 0;
  std::string_view user;
  std::string_view note;
  std::string_view cursor;
  std::uint32_t limit = 0;
};

// The occurrences of one repeated string field, read again from the payload at each walk.
class StringList {
 public:
  class Iterator {
   public:
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::forward_iterator_tag;

    Iterator() noexcept = default;
    std::string_view operator*() const noexcept { return value_; }
    Iterator& operator++() noexcept {
      advance();
      return *this;
    }
    Iterator operator++(int) noexcept {
      Iterator before = *this;
      advance();
      return before;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
      return a.left_ == b.left_;
    }

   private:
    friend class StringList;
    Iterator(ByteView rest, std::uint32_t field, std::uint32_t count) noexcept
        : rest_(rest), field_(field), left_(count + 1) {
      advance();
    }
    void advance() noexcept;

    ByteView rest_;
    std::string_view value_;
    std::uint32_t field_ = 0;
    std::uint32_t left_ = 0;  // occurrences from this one on; 0 at the end
  };

  StringList() noexcept = default;
  // `message` was decoded before and has `count` occurrences of `field`.
  StringList(ByteView message, std::uint32_t field, std::uint32_t count) noexcept
      : message_(message), field_(field), count_(count) {}

  std::uint32_t size() const noexcept { return count_; }
  bool empty() const noexcept { return count_ == 0; }
  Iterator begin() const noexcept {
    return count_ == 0 ? Iterator{} : Iterator{message_, field_, count_};
  }
  Iterator end() const noexcept { return {}; }

 private:
  ByteView message_;
  std::uint32_t field_ = 0;
  std::uint32_t count_ = 0;
};

struct GroupRequestView {
  std::int32_t op = 0;
  std::string_view group;
  StringList users;
  std::string_view name;
  std::int32_t role = 0;
  bool open = false;
  std::string_view cursor;
  std::uint32_t limit = 0;
};

struct PresenceRequestView {
  StringList users;
  bool watch = false;
};

DecodeStatus decode_message(ByteView payload, MessageView& out) noexcept;
DecodeStatus decode_ack(ByteView payload, AckView& out) noexcept;
DecodeStatus decode_sync(ByteView payload, SyncView& out) noexcept;
DecodeStatus decode_contact_request(ByteView payload, ContactRequestView& out) noexcept;
DecodeStatus decode_group_request(ByteView payload, GroupRequestView& out) noexcept;
DecodeStatus decode_presence_request(ByteView payload, PresenceRequestView& out) noexcept;

// Message.payload of a RECALL.
DecodeStatus decode_recall(ByteView payload, std::uint64_t& seq) noexcept;

}  // namespace ims
