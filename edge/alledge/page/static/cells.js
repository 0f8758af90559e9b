// The cells of a slide as the server's columns tell them, kept as one object each and grouped for the gallery.

const NOBODY = -2;

/** All cells of a slide. */
export class Cells {
  constructor() {
    this.all = [];
    this.labels = [];
    this.asOf = 0;
    this.withdrawn = 0;
  }

  /** Take in columns of the whole slide. */
  begin(told) {
    this.all = [];
    this.withdrawn = told.withdrawn;
    this.catchUp(told);
  }

  /** Take in columns of all that changed since `asOf`; false when cells were withdrawn: then begin anew. */
  catchUp(told) {
    if (told.withdrawn !== this.withdrawn) return false;
    this.asOf = told.as_of;
    this.take(told);
    return true;
  }

  /** Take in columns of some cells. Other cells may have come meanwhile: those are for `catchUp`. */
  take(told) {
    const name = (number) => (number < 0 ? null : told.labels[number]);
    this.labels = told.labels;
    for (let i = 0; i < told.index.length; i += 1) {
      const before = this.all[told.index[i]];
      const spoken = told.word[i] !== NOBODY;
      const amended = told.amended[i] !== NOBODY;
      const call = name(told.call[i]);
      const isOpen = !spoken && told.review[i] === 1;
      this.all[told.index[i]] = {
        index: told.index[i],
        field: told.field[i],
        position: told.position[i],
        path: `/patches/${told.field[i]}/${told.position[i]}/${told.patch[i]}.png`,
        call,
        p: told.p[i],
        guess: name(told.guess[i]),
        guessP: told.guess_p[i],
        review: told.review[i] === 1,
        spoken,
        amended,
        label: amended ? name(told.amended[i]) : spoken ? name(told.word[i]) : call,
        who: told.who[i],
        seen: told.seen[i],
        isOpen,
        // The order is kept while one works through it: what was open when it came stays in front.
        wasOpen: before ? before.wasOpen : isOpen,
      };
    }
  }

  /** Groups by label, each with the most doubtful first; only cells that `keep` lets through. */
  grouped(keep) {
    const groups = new Map(this.labels.map((label) => [label, []]));
    groups.set(null, []);
    for (const cell of this.all) if (keep(cell)) groups.get(cell.label).push(cell);
    const doubt = (a, b) => b.wasOpen - a.wasOpen || a.p - b.p || a.index - b.index;
    return [...groups]
      .filter(([, cells]) => cells.length > 0)
      .map(([label, cells]) => ({ label, cells: cells.sort(doubt), open: cells.filter((cell) => cell.isOpen).length }));
  }
}

/** Open, confirmed, changed, amended or none: what the tile shows by its sign. */
export function stateOf(cell) {
  if (cell.amended) return "amended";
  if (cell.isOpen) return "open";
  if (!cell.spoken) return "called";
  return cell.label === cell.call ? "confirmed" : "changed";
}

export const SIGNS = { open: "?", confirmed: "✓", changed: "✎", amended: "⁺", called: "" };
