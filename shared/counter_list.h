// The one list of counters: what imsd counts, by what name. counters.h makes the enum and the names
// from it; a new counter is one line here.
//
//   IMS_COUNTER(kEnumerator, "prometheus_name{label=\"value\"}")   only ever grows
//   IMS_GAUGE(kEnumerator, "prometheus_name")                      a level; may go down
//   IMS_PEAK(kEnumerator, "prometheus_name")                       the highest level so far
//
// The layout of the counters file follows the order of these lines. A reader matches cells by name,
// never by number (counter_file.h), so lines may be added, moved and removed.
//
// No include guard: counters.h includes it once per expansion.

// frames and bytes
IMS_COUNTER(kFramesIn, "ims_frames_total{dir=\"in\"}")
IMS_COUNTER(kFramesOut, "ims_frames_total{dir=\"out\"}")
IMS_COUNTER(kHeartbeats, "ims_heartbeats_total")
IMS_COUNTER(kBytesIn, "ims_bytes_total{dir=\"in\"}")
IMS_COUNTER(kBytesOut, "ims_bytes_total{dir=\"out\"}")
IMS_COUNTER(kPayloadBytesCopied, "ims_payload_bytes_copied_total")
IMS_COUNTER(kFrameErrors, "ims_frame_errors_total")

// input and output
IMS_COUNTER(kSends, "ims_sends_total")
IMS_COUNTER(kShortSends, "ims_short_sends_total")
IMS_COUNTER(kFanoutSends, "ims_fanout_sends_total")
IMS_PEAK(kFanoutTurnSends, "ims_fanout_turn_sends_max")
IMS_COUNTER(kRecvs, "ims_recvs_total")
IMS_COUNTER(kSyscalls, "ims_syscalls_total")
IMS_COUNTER(kCompletions, "ims_completions_total")
IMS_COUNTER(kAccepts, "ims_accepts_total")
IMS_COUNTER(kAcceptErrors, "ims_accept_errors_total")
IMS_COUNTER(kAcceptPauses, "ims_accept_pauses_total")
IMS_COUNTER(kAcceptsOverlooked, "ims_accepts_overlooked_total")
IMS_COUNTER(kEnobufs, "ims_enobufs_total")
IMS_COUNTER(kRearms, "ims_rearms_total")
IMS_COUNTER(kCqOverflow, "ims_cq_overflow_total")
IMS_GAUGE(kIoRings, "ims_io_rings")
IMS_COUNTER(kTurns, "ims_turns_total")
IMS_COUNTER(kBusyTurns, "ims_busy_turns_total")
IMS_COUNTER(kWakesSent, "ims_wakes_total{result=\"sent\"}")
IMS_COUNTER(kWakesSuppressed, "ims_wakes_total{result=\"suppressed\"}")
IMS_GAUGE(kAllocatedBytes, "ims_allocated_bytes")

// connections, and why they ended
IMS_GAUGE(kConnections, "ims_connections")
IMS_GAUGE(kSessions, "ims_sessions")
IMS_COUNTER(kClosedNormal, "ims_closed_total{reason=\"normal\"}")
IMS_COUNTER(kClosedPeerClosed, "ims_closed_total{reason=\"peer_closed\"}")
IMS_COUNTER(kClosedIoError, "ims_closed_total{reason=\"io_error\"}")
IMS_COUNTER(kClosedProtocolError, "ims_closed_total{reason=\"protocol_error\"}")
IMS_COUNTER(kClosedLoginFailed, "ims_closed_total{reason=\"login_failed\"}")
IMS_COUNTER(kClosedLoginTimeout, "ims_closed_total{reason=\"login_timeout\"}")
IMS_COUNTER(kClosedIdleTimeout, "ims_closed_total{reason=\"idle_timeout\"}")
IMS_COUNTER(kClosedSlowConsumer, "ims_closed_total{reason=\"slow_consumer\"}")
IMS_COUNTER(kClosedReplaced, "ims_closed_total{reason=\"replaced\"}")
IMS_COUNTER(kClosedTokenExpired, "ims_closed_total{reason=\"token_expired\"}")
IMS_COUNTER(kClosedShutdown, "ims_closed_total{reason=\"shutdown\"}")
IMS_COUNTER(kClosedKicked, "ims_closed_total{reason=\"kicked\"}")
IMS_COUNTER(kClosedUnavailable, "ims_closed_total{reason=\"unavailable\"}")
IMS_COUNTER(kClosedOverloaded, "ims_closed_total{reason=\"overloaded\"}")
IMS_COUNTER(kClosedRateLimited, "ims_closed_total{reason=\"rate_limited\"}")

// back pressure
IMS_GAUGE(kCarryBytes, "ims_carry_bytes")
IMS_GAUGE(kSendQueueBytes, "ims_send_queue_bytes")
IMS_COUNTER(kPausedReads, "ims_paused_reads_total")
IMS_COUNTER(kStalls, "ims_stalls_total")
IMS_COUNTER(kRecordsStale, "ims_records_stale_total")
IMS_GAUGE(kRingBytesRequests, "ims_ring_bytes{ring=\"requests\"}")
IMS_GAUGE(kRingBytesDeliveries, "ims_ring_bytes{ring=\"deliveries\"}")
IMS_GAUGE(kRingBytesHandoffs, "ims_ring_bytes{ring=\"handoffs\"}")
IMS_COUNTER(kRingFullRequests, "ims_ring_full_total{ring=\"requests\"}")
IMS_COUNTER(kRingFullDeliveries, "ims_ring_full_total{ring=\"deliveries\"}")
IMS_COUNTER(kRingFullHandoffs, "ims_ring_full_total{ring=\"handoffs\"}")

// logins
IMS_COUNTER(kLoginsOk, "ims_logins_total{result=\"ok\"}")
IMS_COUNTER(kLoginsFailed, "ims_logins_total{result=\"failed\"}")
IMS_GAUGE(kPasswordQueue, "ims_password_queue")
IMS_COUNTER(kPasswordOverloaded, "ims_password_overloaded_total")

// answers, in the order of Code (shared/codes.h): kResponseOk + code is the cell
IMS_COUNTER(kResponseOk, "ims_responses_total{code=\"ok\"}")
IMS_COUNTER(kResponseFail, "ims_responses_total{code=\"fail\"}")
IMS_COUNTER(kResponseBadRequest, "ims_responses_total{code=\"bad_request\"}")
IMS_COUNTER(kResponseUnauthenticated, "ims_responses_total{code=\"unauthenticated\"}")
IMS_COUNTER(kResponseForbidden, "ims_responses_total{code=\"forbidden\"}")
IMS_COUNTER(kResponseNotFound, "ims_responses_total{code=\"not_found\"}")
IMS_COUNTER(kResponseAlreadyExists, "ims_responses_total{code=\"already_exists\"}")
IMS_COUNTER(kResponseOffline, "ims_responses_total{code=\"offline\"}")
IMS_COUNTER(kResponseQueueFull, "ims_responses_total{code=\"queue_full\"}")
IMS_COUNTER(kResponseTooLarge, "ims_responses_total{code=\"too_large\"}")
IMS_COUNTER(kResponseRateLimited, "ims_responses_total{code=\"rate_limited\"}")
IMS_COUNTER(kResponseOverloaded, "ims_responses_total{code=\"overloaded\"}")
IMS_COUNTER(kResponseUnavailable, "ims_responses_total{code=\"unavailable\"}")
IMS_COUNTER(kResponseUnsupported, "ims_responses_total{code=\"unsupported\"}")

// messages and rows
IMS_COUNTER(kMessagesRelayed, "ims_messages_relayed_total")
IMS_COUNTER(kRelayedDelivered, "ims_relayed_total{result=\"delivered\"}")
IMS_COUNTER(kRelayedDropped, "ims_relayed_total{result=\"dropped\"}")
IMS_COUNTER(kRowsStored, "ims_rows_stored_total")
IMS_COUNTER(kRowsPushed, "ims_rows_pushed_total")
IMS_COUNTER(kRowsRefused, "ims_rows_refused_total")
IMS_COUNTER(kRowsExpired, "ims_rows_expired_total")
IMS_COUNTER(kDedupeHits, "ims_dedupe_hits_total")
IMS_COUNTER(kAcksIgnored, "ims_acks_ignored_total")
IMS_COUNTER(kCopiesLost, "ims_copies_lost_total")
IMS_COUNTER(kCatchupPages, "ims_catchup_pages_total")
IMS_COUNTER(kCatchupEntered, "ims_catchup_entered_total")
IMS_COUNTER(kHandoffs, "ims_handoffs_total")
IMS_COUNTER(kHandoffsDropped, "ims_handoffs_dropped_total")

// messages that were followed (shared/trace.h)
IMS_COUNTER(kTracesStarted, "ims_traces_total{result=\"started\"}")
IMS_COUNTER(kTracesFinished, "ims_traces_total{result=\"finished\"}")
IMS_COUNTER(kTracesDropped, "ims_traces_total{result=\"dropped\"}")
IMS_COUNTER(kTracesSkipped, "ims_traces_total{result=\"skipped\"}")

// store
IMS_COUNTER(kCommits, "ims_commits_total")
IMS_COUNTER(kCommitFailures, "ims_commit_failures_total")
IMS_COUNTER(kCommitNs, "ims_commit_nanoseconds_total")
IMS_COUNTER(kBatchMessages, "ims_batch_messages_total")
IMS_COUNTER(kBatchBytes, "ims_batch_bytes_total")
IMS_COUNTER(kReaderReads, "ims_reader_reads_total")
IMS_COUNTER(kRowsLoaded, "ims_rows_loaded_total")
IMS_COUNTER(kCacheHits, "ims_cache_total{result=\"hit\"}")
IMS_COUNTER(kCacheMisses, "ims_cache_total{result=\"miss\"}")
IMS_COUNTER(kCacheEvictions, "ims_cache_evictions_total")
IMS_GAUGE(kCacheBytes, "ims_cache_bytes")
IMS_GAUGE(kDedupeBytes, "ims_dedupe_bytes")
IMS_COUNTER(kParked, "ims_parked_total")
IMS_COUNTER(kParkedOverloaded, "ims_parked_overloaded_total")
IMS_GAUGE(kStoreFailureEpoch, "ims_store_failure_epoch")
IMS_GAUGE(kStoreReadOnly, "ims_store_read_only")
IMS_GAUGE(kSegmentFiles, "ims_segment_files")
IMS_GAUGE(kSegmentBytes, "ims_segment_bytes")
IMS_GAUGE(kSegmentsUnsealed, "ims_segments_unsealed")
IMS_GAUGE(kSegmentIndexBytes, "ims_segment_index_bytes")
IMS_GAUGE(kSegmentWaits, "ims_segment_waits")
IMS_COUNTER(kStoreReopened, "ims_store_reopened_total")

// what runs: 1 in the cell that applies
IMS_GAUGE(kInfoIoUring, "ims_info{io=\"uring\"}")
IMS_GAUGE(kInfoIoEpoll, "ims_info{io=\"epoll\"}")
IMS_GAUGE(kInfoPlacementSplit, "ims_info{placement=\"split\"}")
IMS_GAUGE(kInfoPlacementFused, "ims_info{placement=\"fused\"}")
IMS_GAUGE(kInfoDurabilitySync, "ims_info{durability=\"sync\"}")
IMS_GAUGE(kInfoDurabilityInterval, "ims_info{durability=\"interval\"}")
IMS_GAUGE(kInfoDurabilityOs, "ims_info{durability=\"os\"}")
IMS_GAUGE(kInfoStoreRocksdb, "ims_info{store=\"rocksdb\"}")
IMS_GAUGE(kInfoStoreSegments, "ims_info{store=\"segments\"}")
IMS_GAUGE(kInfoAllocatorJemalloc, "ims_info{allocator=\"jemalloc\"}")
