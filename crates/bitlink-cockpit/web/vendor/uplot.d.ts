// What of uPlot is used here, as far as types go.
declare const uPlot: any;
export default uPlot;
