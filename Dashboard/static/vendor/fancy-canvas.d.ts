/** What lightweight-charts 5.2.1 gives its primitives to draw on; for tsc alone. */
export interface BitmapCoordinatesRenderingScope {
  readonly context: CanvasRenderingContext2D;
  readonly mediaSize: { readonly width: number; readonly height: number };
  readonly bitmapSize: { readonly width: number; readonly height: number };
  readonly horizontalPixelRatio: number;
  readonly verticalPixelRatio: number;
}
export interface CanvasRenderingTarget2D {
  useBitmapCoordinateSpace<T>(draw: (scope: BitmapCoordinatesRenderingScope) => T): T;
}
