; A leak that counting cannot see: every counter is a closure that its own environment holds. With collection switched
; off they pile up; the collector finds all of them at once.

(define (make-counter)
  (define n 0)
  (define (self) (set! n (+ n 1)) self)
  self)

(define (leak times)
  (if (> times 0)
      (begin ((make-counter)) (leak (- times 1)))))

(collect)
(collector #f)
(define before (live "closure"))
(leak 10000)
(print "closures that pile up: " (- (live "closure") before))
(print "found something: " (> (collect) 0))
(collector #t)
(print "closures left over: " (- (live "closure") before))
