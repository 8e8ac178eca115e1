/** The shapes that the server answers with, and those that the chart takes. For tsc alone. */

export type Level = "fresh" | "partly" | "void" | "reading" | "empty";
export type StreamName = "trades" | "buckets" | "wicks" | "volume" | "cvd" | "vwap";
export type StreamState = "fresh" | "stale" | "gap" | "partial" | "missing";
export type LayerState = "met" | "not_met" | "missing" | "stale" | "gap" | "partial" | "far";

export interface StreamAge { age_s: number | null; state: StreamState; limit_s?: number | null }

export interface Layer {
  layer: string; state: LayerState; points: number; of: number; condition: string;
  value: string | null; file?: string | null; age_s: number | null;
  base_rate_pct: string | null; base_rate_of: number;
}

/** The words of find_signals for people. */
export interface SignalWords {
  worth: string; why: string | null; against: string[]; counted: string[]; facts: string[];
  context?: string[]; near?: boolean;
}

export interface Signal {
  as_of_utc: string; instId: string; event_id: string; timeframe: string;
  direction: "SHORT" | "LONG"; wick_price: string; age_minutes: number;
  creation_time_utc: string;
  touched: number; surrounding: number; signal_strength: string | null; strength: string;
  wick_size_ticks: number; median_size_ticks: string | null;
  last_price: string | null; last_price_from: string | null; distance_bps: string | null;
  in_contact: boolean; confluences: number; conviction: string; conviction_notes: string;
  no_trade: string | null; size: number; size_shown?: number; verdict?: string | null;
  score: number; entry: string | null; stop: string | null; target: string | null;
  reward_risk_net: string | null; break_even_pct: string | null; tags: string[];
  layers: Layer[]; words?: SignalWords;
}

export interface Answer {
  as_of_utc: string; at_utc: string | null; seen?: string; signals: Signal[];
  missing: string | null; price: { value: string; source: string } | null;
  data: Partial<Record<StreamName, StreamAge>>;
  words?: SignalWords[]; clock?: string; not_recorded?: string; no_entry?: string | null;
}

export interface Minutes {
  first: number; every: number;
  o: (number | null)[]; h: (number | null)[]; l: (number | null)[]; c: (number | null)[];
  vol: (number | null)[]; delta: (number | null)[]; tier: (number | null)[];
  v1h: (number | null)[]; v4h: (number | null)[]; vs: (number | null)[]; sd: (number | null)[];
  cvd: (number | null)[]; cvd1m: (number | null)[]; gap: (number | null)[]; vgap: (number | null)[];
  absorbed: (string | null)[]; div: (string | null)[]; whales: (number | null)[];
  [column: string]: unknown;
}

export interface Wicks {
  id: string[]; tf: string[]; side: string[]; tip: number[]; birth: number[];
  touch: (number | null)[]; exact: (number | boolean)[]; gap: (number | boolean)[];
  gone?: string[];
  [column: string]: unknown;
}

export interface Wall { price: string; notional: string; age_s: number | null; young: boolean }

export interface Book {
  timestamp_utc: string; mid_price: string; bands_bps: number[]; bid_notional: string[];
  ask_notional: string[]; imbalance: (string | null)[]; band_source: string[];
  bid_walls: Wall[]; ask_walls: Wall[]; deep_age_s: number | null; gap: boolean;
}

export interface Health { name: string; level: "PASS" | "WARN" | "FAIL"; words: string; remedy: string | null }
export interface Price { value: string; source: "mid" | "trade"; ts_ms: number }

/** The newest verdict of the lab: lab/verdict.json. */
export interface Verdict {
  word: string; what_to_do: string; short: string; made_utc: string; instruments: string[];
  days: [string, string] | null; numbers: [string, string][]; registered: string[];
  facts: Record<string, unknown>;
}
export interface Proof { word: string; line?: string; short?: string }

export interface View {
  proto: number; instId: string; mode: "live" | "latest" | "replay"; as_of_utc: string;
  at_utc: string | null; now_ms: number; places: number; tf: string; minutes: Minutes;
  forming?: unknown; price: Price | null; wicks: Wicks; holes?: unknown[]; imported?: unknown[];
  answer: Answer; book: Book | null; health: Health[]; proof?: Proof | null; short?: string;
  recorded_from_utc?: string | null; rows?: string; heat?: import("./chart/heat_cells.js").Heat;
}

export interface Message extends Partial<Omit<View, "minutes" | "wicks">> {
  type: "hello" | "rows" | "reset" | "beat"; seq: number; now_ms: number; page?: string;
  minutes?: Minutes; wicks?: Wicks; reason?: string;
}

export interface Day {
  day: string; first_utc?: string; last_utc?: string; minutes?: number; holes?: number;
  book_seconds?: number; [name: string]: unknown;
}

export interface Status {
  proto: number; version?: string; page?: string; instruments: string[]; now_ms: number;
  thresholds?: Record<string, unknown>; rate?: number;
}

/** A column under the crosshair. */
export interface Facts { minute: number; every?: number; note?: string; [column: string]: unknown }

export interface ChartLike {
  setView(view: View): void;
  update(parts: Message | Partial<View>): void;
  setState(state: { void: boolean; replay: boolean; stale: Record<string, boolean> }): void;
  setWindow(minutes: number): void;
  pan(bars: number): void;
  zoom(factor: number): void;
  setLayer(name: string, on: boolean | number): void;
  choose(eventId: string | null): void;
  setZone(zone: "utc" | "local"): void;
  retheme(): void;
  onCrosshair(callback: (facts: Facts | null) => void): void;
  geometry(): unknown;
  addLayer(layer: unknown): void;
}
