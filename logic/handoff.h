// The records between workers. Rings of their own, one per ordered pair; a worker's records to
// itself go through a local queue. Draining a handoff never waits for ring space.
//
//   member's owner v                        group's owner g
//     kSubscribe          ─────────────────▶  (loads the group)
//                         ◀─────────────────  kSubscribed: head as of now
//                         ◀─────────────────  kGroupRow: each committed row, in order of seq
//                         ◀─────────────────  kGroupHead: rows were left out (full ring)
//                         ◀─────────────────  kGroupRelay: not stored
//     kUnsubscribe        ─────────────────▶
//     kAskAck             ─────────────────▶  ◀── kAckAnswer      an ACK above what v has heard
//                         ◀─────────────────  kAskUsers           exist? room for one more group?
//     kUsersAnswer        ─────────────────▶
//                         ◀─────────────────  kReleasePlaces      promised, and not taken
//                         ◀─────────────────  kEffect             an outbox row: membership changed
//     kEffectDone         ─────────────────▶
//
//   pair's owner                            the other user's owner
//     kAskContact         ─────────────────▶  ◀── kContactAnswer  exists? room for a contact?
//     kEffect             ─────────────────▶  ◀── kEffectDone     the mirror of the pair's row
//
//   recipient's owner                       sender's owner
//     kOwnCopy            ─────────────────▶  a stored message, for the sender's other devices
//
//   who watches                             the watched user's owner
//     kAskPresence        ─────────────────▶  ◀── kPresenceAnswer
//     kUnwatch            ─────────────────▶  ◀── kPresence       devices came or went
//
// On one ring an effect goes before the rows that follow its event, so v never pushes a row to who
// is no member any more.
#pragma once

#include <cstdint>

#include "shared/ids.h"
#include "shared/records.h"

namespace ims::logic {

enum class HandoffKind : std::uint8_t {
  kSubscribe = 64,
  kUnsubscribe = 65,
  kSubscribed = 66,
  kGroupRow = 67,
  kGroupHead = 68,
  kGroupRelay = 69,
  kAskAck = 70,
  kAckAnswer = 71,
  kAskUsers = 72,
  kUsersAnswer = 73,
  kEffect = 74,
  kEffectDone = 75,
  kVerifiedLogin = 76,  // local: a LoginRecord whose credentials were checked
  kAskContact = 77,
  kContactAnswer = 78,
  kOwnCopy = 79,
  kAskPresence = 80,
  kPresenceAnswer = 81,
  kPresence = 82,
  kUnwatch = 83,
  kReleasePlaces = 84,
};

constexpr RecordKind record_kind(HandoffKind kind) { return static_cast<RecordKind>(kind); }

// kSubscribe, kUnsubscribe. Bytes: the group's name (kSubscribe).
struct SubscribeRecord {
  RecordHeader header;
  GroupId group;
  std::uint64_t group_hash = 0;
  TenantId tenant;
  WorkerIndex worker = 0;  // who asks
  std::uint8_t name_bytes = 0;
  std::uint8_t spare[2] = {};
};

// kSubscribed, kGroupHead (body empty), kGroupRow, kGroupRelay. Bytes: the push body.
struct GroupRowRecord {
  RecordHeader header;
  GroupId group;
  std::uint64_t seq = 0;  // kSubscribed, kGroupHead: the durable head
  SessionId origin_session;
  std::uint32_t body_bytes = 0;
  std::uint32_t spare = 0;
};

// kAskAck, kAckAnswer. Bytes of the question: group name, user name.
struct AckExchangeRecord {
  RecordHeader header;
  std::uint64_t exchange = 0;
  std::uint64_t group_hash = 0;
  std::uint64_t head = 0;  // answer: the group's durable head
  TenantId tenant;
  WorkerIndex worker = 0;
  Code code{};             // answer: kOk, kNotFound, kForbidden
  std::uint8_t group_bytes = 0;
  std::uint8_t user_bytes = 0;
};

// kAskUsers, kUsersAnswer, kReleasePlaces. Bytes of the question: the name of who asks, then
// | length u8 | name | ...; of the answer: one UserFact per user in the same order; of a release:
// names as in the question.
struct UsersExchangeRecord {
  RecordHeader header;
  std::uint64_t exchange = 0;
  TenantId tenant;
  WorkerIndex worker = 0;
  std::uint8_t actor_bytes = 0;
  std::uint16_t count = 0;
  std::uint32_t list_bytes = 0;
  std::uint32_t spare2 = 0;
};

// kTaken: was free, and the request added the user (at who asked; never sent).
enum class UserFact : std::uint8_t {
  kUnknown = 0, kFree = 1, kAbsent = 2, kAtGroupLimit = 3, kTaken = 4,
};

// kEffect, kEffectDone. Bytes of kEffect: the encoded OutboxRow.
struct EffectRecord {
  RecordHeader header;
  std::uint64_t number = 0;
  std::uint64_t after = 0;  // kEffect: the one before it in its lane; 0: all before it are done
  std::uint64_t user_hash = 0;
  WorkerIndex worker = 0;  // the coordinator
  bool ok = true;          // kEffectDone
  std::uint16_t partition = 0;  // of the outbox row
  std::uint32_t row_bytes = 0;
};

// kAskContact, kContactAnswer. Bytes of the question: the user's name.
enum class ContactFact : std::uint8_t { kFree, kAbsent, kAtContactLimit, kInboxFull };
struct ContactExchangeRecord {
  RecordHeader header;
  std::uint64_t exchange = 0;
  std::uint64_t user_hash = 0;
  TenantId tenant;
  WorkerIndex worker = 0;
  std::uint8_t user_bytes = 0;
  bool adds_contact = false;  // a place among the user's contacts is reserved
  bool adds_event = false;    // an ADD: its inbox must have room
  ContactFact fact{};         // answer
  std::uint8_t spare[7] = {};
};

// kOwnCopy. Bytes: the push body of the message as the recipient gets it.
struct OwnCopyRecord {
  RecordHeader header;
  std::uint64_t sender_hash = 0;
  SessionId origin_session;
  TenantId tenant;
  std::uint32_t body_bytes = 0;
};

// kAskPresence, kPresenceAnswer, kUnwatch, kPresence. Bytes: | length u8 | name | ... of the users
// asked for; in an answer and in kPresence, for each of them what presence_text.h says.
struct PresenceRecord {
  RecordHeader header;
  std::uint64_t exchange = 0;
  TenantId tenant;
  WorkerIndex worker = 0;  // who asks, or watches no more
  bool watch = false;
  bool last = true;        // kPresenceAnswer: nothing more comes from this worker
  std::uint8_t spare = 0;
  std::uint32_t list_bytes = 0;
  std::uint32_t spare2 = 0;
};

}  // namespace ims::logic
